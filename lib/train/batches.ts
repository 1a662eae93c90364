/** Prepared batches of a data set: decoded, augmented and resized while the network works on earlier ones. */
import { drawAugmentation } from '../data/augment.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { groupsOf, prefetch } from '../data/prefetch.js';
import { shuffle } from '../data/random.js';
import { ahead, loadBatch, type Batch, type Place } from '../model/load-batch.js';
import type { TrainConfig } from './config.js';
import type { EpochPlan } from './output-feed.js';

/**
 * The batches of an epoch from `firstBatch` (counted from 0) on. Their order and augmentation follow from the seed, the
 * epoch and the images' indices alone, so that a resumed run sees the same batches.
 *
 * @throws DinoSegError of images and labels; the signal's reason
 */
export async function* trainingBatches(
  dataset: SegmentationDataset,
  config: TrainConfig & Place,
  { epoch, firstBatch, signal }: Pick<EpochPlan, 'epoch' | 'firstBatch' | 'signal'>,
): AsyncGenerator<Batch, void, void> {
  const { seed, batchSize, flip, brightness, contrast, saturation, hue } = config;
  const strengths = { brightness, contrast, saturation, hue };
  const jitter = Object.values(strengths).some((strength) => strength > 0) ? strengths : null;
  const order = shuffle(dataset.length, seed, epoch);
  const batches = groupsOf(order, batchSize).slice(firstBatch);
  const load = (indices: number[]) => {
    const changes = indices.map((index) => drawAugmentation({ seed, epoch, index }, { flip, jitter }));
    return loadBatch(dataset, indices, changes, config);
  };
  yield* prefetch(batches, load, { ...ahead(config), signal });
}
