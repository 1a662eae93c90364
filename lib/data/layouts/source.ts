/** What all layouts have in common: their splits and the contents of each. */
import { didYouMean } from '../../nearest.js';
import { refuse, type Layout, type LayoutName } from '../layout.js';

/** The split of data without splits. */
export const wholeSplit = 'all';

/** A folder whose layout is known. */
export interface LayoutSource {
  readonly layout: LayoutName;
  /** Names of its splits, sorted; {@link wholeSplit} alone where it has none. */
  readonly splits: readonly string[];
  /** The pairs of one of its splits. @throws DATASET, IO */
  find(split: string): Promise<Layout>;
}

const otherNames: Readonly<Record<string, string>> = {
  training: 'train',
  validation: 'val',
  valid: 'val',
  testing: 'test',
};
const splitNames = ['train', 'val', 'test'];

/** `train`, `val` or `test` by the name of a folder or list, which may be `training`, `validation`, …; else undefined. */
export function splitOf(name: string): string | undefined {
  const lower = name.toLowerCase();
  const split = otherNames[lower] ?? lower;
  return splitNames.includes(split) ? split : undefined;
}

/** Split → name of its folder or list. @throws DATASET where two names mean one split */
export function splitsAmong(names: readonly string[], where: string): Map<string, string> {
  const splits = new Map<string, string>();
  for (const name of names) {
    const split = splitOf(name);
    if (split === undefined) continue;
    const before = splits.get(split);
    if (before !== undefined)
      refuse(
        `${where} contains ${before} and ${name}, which both mean the split "${split}". Remove one of them.`,
      );
    splits.set(split, name);
  }
  return splits;
}

/** Reports a split that a source does not have, with advice. @throws DATASET */
export function refuseSplit({ splits }: Pick<LayoutSource, 'splits'>, split: string, where: string): never {
  if (splits.includes(wholeSplit))
    return refuse(
      `${where} has no splits, but "${split}" was requested. Use a share of the images for validation ` +
        '(--val-share 0.1; chosen by their names), or sort them into folders train and val.',
    );
  const share =
    split === 'val' && splits.includes('train')
      ? ' Use a share of the training images for it (--val-share 0.1; chosen by their names).'
      : '';
  return refuse(
    `${where} has no split "${split}".${didYouMean(split, splits)} It has ${splits.join(', ')}.${share}`,
  );
}
