/** Heads of any kind. */
import { checkArgument, checkOptions, instanceOf, text, type Kind } from '../arguments.js';
import { engine } from '../native/engine.js';
import { ClassHead } from './class-head.js';
import { headKindOf, isHeadFile } from './head-metadata.js';
import { LinearProbe, probePlacement, type ProbePlacement } from './linear-probe.js';
import { SegmentationHead } from './segmentation-head.js';

export const headKind: Kind<SegmentationHead> = instanceOf(
  'a ClassHead or a LinearProbe',
  () => SegmentationHead,
);

/**
 * Opens a head file of any kind: {@link LinearProbe.load} for linear probes, {@link ClassHead.open} for all others.
 *
 * @throws DinoSegError what those throw.
 */
export async function openHead(path: string, options: ProbePlacement = {}): Promise<SegmentationHead> {
  checkArgument(path, text, 'openHead(path)');
  checkOptions(options, probePlacement, 'openHead()');
  const inspection = await engine().inspect(path);
  const isProbe = isHeadFile(inspection) && headKindOf(inspection) === 'linear_probe';
  return isProbe ? LinearProbe.load(path, options) : ClassHead.open(path, options);
}
