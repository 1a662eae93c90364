/** What a person should know about the labels of a run: before the long pass, and when they have been read. */
import { onlyClassMessage } from '../data/check-warnings.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { objectSentences } from '../data/object-counts.js';
import { spread } from '../data/preview.js';
import { DinoSegError } from '../errors.js';
import type { Datasets } from './output-feed.js';

const mostSampled = 16;

/** The classes of a label; undefined for one that cannot be read, which the pass over all images reports. */
async function classesOf(dataset: SegmentationDataset, index: number): Promise<Set<number> | undefined> {
  try {
    return new Set((await dataset.loadLabel(index)).data);
  } catch (error) {
    if (error instanceof DinoSegError) return undefined;
    throw error;
  }
}

/** Warnings from some labels, spread evenly over the training images: `data check` reads all of them. */
export async function warnOfLabels({ train }: Datasets): Promise<string[]> {
  const { classes, ignoreIndex } = train.classSet;
  const seen = new Set<number>();
  const sampled = spread(train.length, mostSampled);
  for (const index of sampled) {
    const found = await classesOf(train, index);
    if (found === undefined) return [];
    found.delete(ignoreIndex);
    for (const each of found) seen.add(each);
    if (seen.size > 1) return [];
  }
  const [only] = seen;
  if (classes.length === 1) return [];
  const looked = `(${sampled.length} of ${train.length} training labels read)`;
  if (only !== undefined) return [`warning: ${onlyClassMessage(classes[only]!.name)} ${looked}`];
  return [`warning: No label has a pixel with a class: all are ignored. Check the class set. ${looked}`];
}

/** Lines about what lies beside the images of a run and is none. */
export function leftOutLines({ train, val }: Datasets): string[] {
  return Object.entries({ train, val }).flatMap(([split, { leftOutText }]) =>
    leftOutText === undefined ? [] : [`${split}: left out: ${leftOutText}`],
  );
}

/** Lines about odd objects of the polygons that were read so far. */
export function objectLines({ train, val }: Datasets): string[] {
  return Object.entries({ train, val }).flatMap(([split, { objectCounts }]) =>
    objectSentences(objectCounts).map((sentence) => `warning: ${split}: ${sentence}`),
  );
}
