/** What `predict` and `eval` have in common: a network, a head and how they are run. */
import { openSegmenter, type Segmenter } from '../model/segmenter.js';
import { withoutUndefined } from '../without-undefined.js';
import { warn } from './output.js';
import type { Flags, FlagValues } from './parse.js';
import { classesFlag, passSizeFlag, placementFlags, placementOf, scoringFlags } from './shared-flags.js';

export const segmenterFlags = {
  model: { type: 'text', value: 'FILE', required: true, help: 'TorchScript file of the network' },
  head: {
    type: 'text',
    value: 'FILE',
    help: "trained head, a class_embed or a linear probe (default: the network's own)",
  },
  ...classesFlag,
  ...scoringFlags,
  ...placementFlags,
  ...passSizeFlag,
} as const satisfies Flags;

/** Opens the network and head that the flags name, and prints their warnings. @throws DinoSegError as `openSegmenter` */
export async function openFromFlags(flags: FlagValues<typeof segmenterFlags>): Promise<Segmenter> {
  const { model, head, classes, scoring, 'image-size': imageSize } = flags;
  const given = withoutUndefined({ head, classes, scoring, imageSize });
  const opened = await openSegmenter({ model, ...given, ...placementOf(flags) });
  opened.warnings.forEach(warn);
  return opened;
}
