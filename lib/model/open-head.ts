/** Heads of any kind. */
import { checkArgument, checkOptions, either, text, type Kind } from '../arguments.js';
import { engine } from '../native/engine.js';
import { ClassHead, classHeadKind } from './class-head.js';
import { headKindOf, isHeadFile } from './head-metadata.js';
import { LinearProbe, probeKind, probePlacement, type ProbePlacement } from './linear-probe.js';

/** What scores an image: on the queries of the whole network, or on the features of its backbone. */
export type SegmentationHead = ClassHead | LinearProbe;

export const headKind: Kind<SegmentationHead> = either(classHeadKind, probeKind);

/**
 * {@link LinearProbe.load} for files with a linear probe, {@link ClassHead.open} for all others.
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
