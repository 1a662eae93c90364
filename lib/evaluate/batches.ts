/** Batches of a data set in order and unchanged, prepared while the network works on earlier ones. */
import { noAugmentation } from '../data/augment.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { groupsOf, prefetch } from '../data/prefetch.js';
import { ahead, loadBatch, type Batch, type Place } from '../model/load-batch.js';

/** Batches of the images of a data set, in order and unchanged. `place.prefetch` counts images. */
export async function* evaluationBatches(
  dataset: SegmentationDataset,
  batchSize: number,
  place: Place,
  signal?: AbortSignal,
): AsyncGenerator<Batch, void, void> {
  const batches = groupsOf([...dataset.pairs.keys()], batchSize);
  const load = (indices: number[]) => evaluationBatch(dataset, indices, place);
  const options = ahead({ prefetch: Math.ceil(place.prefetch / batchSize) });
  yield* prefetch(batches, load, { ...options, signal });
}

/** Images of a data set, unchanged. */
export function evaluationBatch(
  dataset: SegmentationDataset,
  indices: number[],
  place: Omit<Place, 'prefetch'>,
): Promise<Batch> {
  const changes = indices.map(() => noAugmentation);
  return loadBatch(dataset, indices, changes, place);
}
