/** A batch of a data set as a network accepts it: images and labels decoded, augmented, resized and on its device. */
import type { Augmentation } from '../data/augment.js';
import type { Sample, SegmentationDataset } from '../data/dataset.js';
import { usableCores } from '../native/cores.js';
import { engine } from '../native/engine.js';
import type { Normalization } from '../native/bindings/engine.js';
import { Tensor } from './tensor.js';

/** Images B×3×H×W (float32, normalised) and labels B×H×W (uint8), on the network's device. */
export class Batch implements Disposable {
  constructor(
    readonly images: Tensor,
    readonly labels: Tensor,
    /** Of the images in their data set. */
    readonly indices: readonly number[],
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

/** Device, image size and normalisation of batches, and how many are prepared at a time. */
export interface Place {
  imageSize: number;
  device: string;
  /** The network's. */
  normalization: Normalization;
  /** Batches prepared ahead. */
  prefetch: number;
}

/** Options of {@link prefetch}. */
export function ahead(place: Pick<Place, 'prefetch'>): { ahead: number; concurrency: number } {
  return { ahead: place.prefetch, concurrency: Math.min(place.prefetch, usableCores()) };
}

/**
 * Options of {@link prefetch} for groups of `size` images that go to several devices: enough for `images`, and for all devices while
 * the group after theirs is loaded.
 */
export function aheadOf(images: number, size: number, devices: number): ReturnType<typeof ahead> {
  return ahead({ prefetch: Math.max(Math.ceil(images / size), devices + 1) });
}

/** Some images of a data set, each with its augmentation. */
export async function loadBatch(
  dataset: SegmentationDataset,
  indices: readonly number[],
  augmentations: Augmentation[],
  place: Pick<Place, 'imageSize' | 'device' | 'normalization'>,
): Promise<Batch> {
  return batchOf(await loadSamples(dataset, indices), indices, augmentations, place);
}

/** Decodes some images of a data set and their labels. */
export function loadSamples(dataset: SegmentationDataset, indices: readonly number[]): Promise<Sample[]> {
  return Promise.all(indices.map((index) => dataset.load(index)));
}

/** Decoded images as a batch, each with its augmentation. */
export async function batchOf(
  samples: readonly Sample[],
  indices: readonly number[],
  augmentations: Augmentation[],
  place: Pick<Place, 'imageSize' | 'device' | 'normalization'>,
): Promise<Batch> {
  const [images, labels] = await Promise.all([
    loadImages(samples, augmentations, place),
    loadLabels(samples, augmentations, place),
  ]);
  return new Batch(images, labels, indices);
}

/** Images B×3×H×W (float32, normalised) alone. */
export async function loadImages(
  samples: readonly Pick<Sample, 'image'>[],
  augmentations: Augmentation[],
  { imageSize, device, normalization }: Pick<Place, 'imageSize' | 'device' | 'normalization'>,
): Promise<Tensor> {
  const options = { width: imageSize, height: imageSize, device, augmentations, normalization };
  const images = samples.map(({ image }) => image);
  return Tensor.wrap(await engine().prepareImages(images, options));
}

/** Labels B×H×W (uint8) alone. */
export async function loadLabels(
  samples: readonly Pick<Sample, 'label'>[],
  augmentations: Augmentation[],
  { imageSize, device }: Pick<Place, 'imageSize' | 'device'>,
): Promise<Tensor> {
  const options = { width: imageSize, height: imageSize, device, augmentations };
  const labels = samples.map(({ label }) => label);
  return Tensor.wrap(await engine().prepareLabels(labels, options));
}
