/** Heads of any kind. */
import { checkArgument, checkOptions, instanceOf, text, type Kind } from '../arguments.js';
import { engine } from '../native/engine.js';
import { ClassHead } from './class-head.js';
import { LinearProbe, probePlacement, type ProbePlacement } from './linear-probe.js';
import { holdsProbe } from './probe-file.js';
import { SegmentationHead } from './segmentation-head.js';

export const headKind: Kind<SegmentationHead> = instanceOf(
  'a ClassHead or a LinearProbe',
  () => SegmentationHead,
);

/**
 * Opens a head file of any kind: {@link LinearProbe.open} for linear probes, DINOv3's own linear heads among them, and
 * {@link ClassHead.open} for all others.
 *
 * @throws DinoSegError what those throw.
 */
export async function openHead(path: string, options: ProbePlacement = {}): Promise<ClassHead | LinearProbe> {
  checkArgument(path, text, 'openHead(path)');
  checkOptions(options, probePlacement, 'openHead()');
  const isProbe = holdsProbe(await engine().inspect(path));
  return isProbe ? LinearProbe.open(path, options) : ClassHead.open(path, options);
}
