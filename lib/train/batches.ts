/** Prepared batches of a data set: decoded, augmented and resized while the network works on earlier ones. */
import { drawAugmentation, noAugmentation, type Augmentation } from '../data/augment.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { groupsOf, prefetch } from '../data/prefetch.js';
import { shuffle } from '../data/random.js';
import { Tensor } from '../model/tensor.js';
import { usableCores } from '../native/cores.js';
import { engine } from '../native/engine.js';
import type { TrainConfig } from './config.js';

/** Images B×3×H×W (float32, normalised) and labels B×H×W (uint8), on the network's device. */
export class Batch implements Disposable {
  constructor(
    readonly images: Tensor,
    readonly labels: Tensor,
  ) {}

  /** Images in the batch. */
  get count(): number {
    return this.images.shape[0]!;
  }

  [Symbol.dispose](): void {
    this.images.dispose();
    this.labels.dispose();
  }
}

interface Place {
  imageSize: number;
  device: string;
  /** Batches prepared ahead. */
  prefetch: number;
}

/**
 * The batches of an epoch from `firstBatch` (counted from 0) on. Their order and augmentation follow from the seed, the
 * epoch and the images' indices alone, so that a run which goes on sees what it would have seen.
 */
export async function* trainingBatches(
  dataset: SegmentationDataset,
  config: TrainConfig & { device: string },
  epoch: number,
  firstBatch: number,
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
  yield* prefetch(batches, load, ahead(config));
}

/** The images of a data set in order and unchanged, so many in a batch. `place.prefetch` counts images. */
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
  place: Pick<Place, 'imageSize' | 'device'>,
): Promise<Batch> {
  const changes = indices.map(() => noAugmentation);
  return loadBatch(dataset, indices, changes, place);
}

function ahead(place: Pick<Place, 'prefetch'>): { ahead: number; concurrency: number } {
  return { ahead: place.prefetch, concurrency: Math.min(place.prefetch, usableCores()) };
}

async function loadBatch(
  dataset: SegmentationDataset,
  indices: number[],
  augmentations: Augmentation[],
  place: Pick<Place, 'imageSize' | 'device'>,
): Promise<Batch> {
  const samples = await Promise.all(indices.map((index) => dataset.load(index)));
  const options = { width: place.imageSize, height: place.imageSize, device: place.device, augmentations };
  const [images, labels] = await Promise.all([
    engine().prepareImages(
      samples.map(({ image }) => image),
      options,
    ),
    engine().prepareLabels(
      samples.map(({ label }) => label),
      options,
    ),
  ]);
  return new Batch(Tensor.wrap(images), Tensor.wrap(labels));
}
