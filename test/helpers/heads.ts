/** Random outputs of a frozen network, and heads on them. */
import { engine } from '../../lib/native/engine.js';
import type { HeadBatch, HeadsEngine, StepOptions, TensorHandle } from '../../lib/native/bindings/engine.js';
import { createRandom } from './random-values.js';

export interface BatchSizes {
  batch: number;
  queries: number;
  hidden: number;
  classes: number;
  h: number;
  w: number;
  height: number;
  width: number;
}

export interface RandomBatch {
  handles: Required<Omit<HeadBatch, 'features'>>;
  /** B×Q×C, B×Q×h×w and B×H×W. */
  queries: Float32Array;
  masks: Float32Array;
  labels: Uint8Array;
}

export const stepOptions: StepOptions = {
  learningRate: 1e-3,
  weightDecay: 1e-2,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  maxNorm: 1,
};

/** About normal, of about the given deviation. */
export function normals(random: () => number, count: number, deviation: number): Float32Array {
  return Float32Array.from({ length: count }, () => deviation * 2 * (random() + random() + random() - 1.5));
}

/** Blocks of classes, a tenth of their pixels and one block not counted. `blank`: images without any counted pixel. */
export function randomBatch(
  sizes: BatchSizes,
  options: { seed: number; records?: number[]; blank?: number[] },
): RandomBatch {
  const { batch, queries: count, hidden, classes, h, w, height, width } = sizes;
  const random = createRandom(options.seed);
  const records = options.records ?? Array.from({ length: batch }, (_, b) => options.seed * 1000 + b);
  const queries = normals(random, batch * count * hidden, 1);
  const masks = normals(random, batch * count * h * w, 2);
  const labels = new Uint8Array(batch * height * width);
  for (let b = 0; b < batch; b++) {
    const blocks = Uint8Array.from({ length: 12 }, () => random() * classes);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const block = 4 * Math.floor((3 * y) / height) + Math.floor((4 * x) / width);
        const isCounted = random() >= 0.1 && block !== 6 && !options.blank?.includes(b);
        labels[(b * height + y) * width + x] = isCounted ? blocks[block]! : 255;
      }
  }
  const e = engine();
  const handles = {
    records,
    queries: e.tensor(queries, [batch, count, hidden]),
    masks: e.tensor(masks, [batch, count, h, w]),
    labels: e.tensor(labels, [batch, height, width]),
  };
  return { handles, queries, masks, labels };
}

/** Adds gradients; gives the mean loss of each head. */
export async function accumulate(
  ...given: Parameters<HeadsEngine['headsAccumulate']>
): Promise<Float64Array> {
  return (await engine().headsAccumulate(...given)).loss;
}

/** Values of a float tensor. */
export async function floats(tensor: TensorHandle): Promise<Float32Array> {
  return (await engine().tensorData(tensor)).data as Float32Array;
}
