/** Heads of any kind. */
import { checkArgument, checkOptions, text } from '../arguments.js';
import { engine } from '../native/engine.js';
import { probePlacement } from './argument-kinds.js';
import { ClassHead } from './class-head.js';
import { headKindOf, isHeadFile } from './head-metadata.js';
import { LinearProbe, type ProbePlacement } from './linear-probe.js';

/** What scores an image: on the queries of the whole network, or on the features of its backbone. */
export type SegmentationHead = ClassHead | LinearProbe;

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
