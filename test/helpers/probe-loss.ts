/** The linear probe by its definition, in float64: batch norm, 1×1 convolution, resize, cross entropy. */
import { engine } from '../../lib/native/engine.js';
import type { HeadBatch } from '../../lib/native/bindings/engine.js';
import { resize } from './dense-loss.js';
import { normals } from './heads.js';
import { createRandom } from './random-values.js';

export interface ProbeSizes {
  batch: number;
  channels: number;
  classes: number;
  h: number;
  w: number;
  height: number;
  width: number;
}

export interface ProbeBatch {
  handles: Required<Pick<HeadBatch, 'records' | 'features' | 'labels'>>;
  /** B×C×h×w. */
  features: Float32Array;
  /** B×H×W. */
  labels: Uint8Array;
}

/** Of each channel. */
export interface Statistics {
  mean: Float64Array;
  /** Biased. */
  variance: Float64Array;
  /** Values that they are of. */
  count: number;
}

/** Features of a mean and a deviation of its own in each channel; a tenth of the pixels not counted. */
export function randomFeatures(
  sizes: ProbeSizes,
  options: { seed: number; blank?: number[]; offset?: number },
): ProbeBatch {
  const { batch, channels, classes, h, w, height, width } = sizes;
  const random = createRandom(options.seed);
  const features = normals(random, batch * channels * h * w, 1).map((value, i) => {
    const c = Math.floor(i / (h * w)) % channels;
    return value * (0.2 + c / channels) + Math.sin(c) + (options.offset ?? 0);
  });
  const labels = Uint8Array.from({ length: batch * height * width }, (_, i) => {
    const isBlank = options.blank?.includes(Math.floor(i / (height * width)));
    return isBlank || random() < 0.1 ? 255 : Math.floor(random() * classes);
  });
  const e = engine();
  const handles = {
    records: Array.from({ length: batch }, (_, b) => options.seed * 1000 + b),
    features: e.tensor(features, [batch, channels, h, w]),
    labels: e.tensor(labels, [batch, height, width]),
  };
  return { handles, features, labels };
}

/** Over the images named. */
export function statisticsOf(sizes: ProbeSizes, batch: ProbeBatch, images: readonly number[]): Statistics {
  const { channels } = sizes;
  const area = sizes.h * sizes.w;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    const values = images.flatMap((b) => [
      ...batch.features.subarray((b * channels + c) * area, (b * channels + c + 1) * area),
    ]);
    mean[c] = values.reduce((sum, value) => sum + value, 0) / values.length;
    variance[c] = values.reduce((sum, value) => sum + (value - mean[c]!) ** 2, 0) / values.length;
  }
  return { mean, variance, count: images.length * area };
}

/** Scores of one image at label size, a map a class. `row`: weight K×C, bias K, gamma C, beta C. */
export function probeScores(
  sizes: ProbeSizes,
  batch: ProbeBatch,
  image: number,
  row: ArrayLike<number>,
  { mean, variance }: Statistics,
): Float64Array[] {
  const { channels, classes, h, w, height, width } = sizes;
  const area = h * w;
  const [biases, gammas] = [classes * channels, classes * channels + classes];
  const normalised = Float64Array.from({ length: channels * area }, (_, i) => {
    const c = Math.floor(i / area);
    const x = (batch.features[image * channels * area + i]! - mean[c]!) / Math.sqrt(variance[c]! + 1e-5);
    return row[gammas + c]! * x + row[gammas + channels + c]!;
  });
  return Array.from({ length: classes }, (_, k) => {
    const map = new Float64Array(area).fill(row[biases + k]!);
    for (let i = 0; i < channels * area; i++)
      map[i % area]! += row[k * channels + Math.floor(i / area)]! * normalised[i]!;
    return resize(map, [h, w], [height, width]);
  });
}

/** Σ w·loss and Σ w of one image. */
export function probeLoss(
  sizes: ProbeSizes,
  batch: ProbeBatch,
  image: number,
  row: ArrayLike<number>,
  statistics: Statistics,
  classWeights?: ArrayLike<number>,
): [number, number] {
  const scores = probeScores(sizes, batch, image, row, statistics);
  const pixels = sizes.height * sizes.width;
  let [sum, total] = [0, 0];
  for (let i = 0; i < pixels; i++) {
    const label = batch.labels[image * pixels + i]!;
    if (label === 255) continue;
    const weight = classWeights?.[label] ?? 1;
    const all = scores.reduce((all, map) => all + Math.exp(map[i]!), 0);
    sum += weight * (Math.log(all) - scores[label]![i]!);
    total += weight;
  }
  return [sum, total];
}

/** Mean loss of a batch over the images named, normalised by their own statistics as in training. */
export function probeBatchLoss(
  sizes: ProbeSizes,
  batch: ProbeBatch,
  images: readonly number[],
  row: ArrayLike<number>,
  classWeights?: ArrayLike<number>,
): number {
  const statistics = statisticsOf(sizes, batch, images);
  const sums = images.map((b) => probeLoss(sizes, batch, b, row, statistics, classWeights));
  return sums.reduce((all, [sum]) => all + sum, 0) / sums.reduce((all, [, total]) => all + total, 0);
}
