/** The losses on dense scores by their definitions, in float64. */
import type { BatchSizes, RandomBatch } from './heads.js';

export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Softmax of one query's logits: `outputs` rows of weight·query + bias. */
export function probabilities(
  query: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): number[] {
  const width = query.length;
  const logits = Array.from(bias, (shift, k) => {
    let sum = shift;
    for (let c = 0; c < width; c++) sum += weight[k * width + c]! * query[c]!;
    return sum;
  });
  const top = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
  return logits.map((logit) => Math.exp(logit - top) / total);
}

/** h×w → height×width, bilinear with align_corners false. */
export function resize(
  map: ArrayLike<number>,
  [h, w]: [number, number],
  [height, width]: [number, number],
): Float64Array {
  const taps = (from: number, to: number) =>
    Array.from({ length: to }, (_, i) => {
      const centre = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      const first = Math.min(from - 1, Math.floor(centre));
      return [first, Math.min(from - 1, first + 1), centre - first] as const;
    });
  const columns = taps(w, width);
  const result = new Float64Array(height * width);
  for (const [y, [top, bottom, down]] of taps(h, height).entries())
    for (const [x, [left, right, along]] of columns.entries()) {
      const row = (at: number) => map[at * w + left]! * (1 - along) + map[at * w + right]! * along;
      result[y * width + x] = row(top) * (1 - down) + row(bottom) * down;
    }
  return result;
}

/** Scores of one image at label size, a map a class. */
export function denseScores(
  { queries: count, hidden, classes, h, w, height, width }: BatchSizes,
  batch: RandomBatch,
  image: number,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array[] {
  const scores = Array.from({ length: classes }, () => new Float64Array(h * w));
  for (let q = image * count; q < (image + 1) * count; q++) {
    const share = probabilities(batch.queries.subarray(q * hidden, (q + 1) * hidden), weight, bias);
    for (let cell = 0; cell < h * w; cell++) {
      const mask = sigmoid(batch.masks[q * h * w + cell]!);
      for (let k = 0; k < classes; k++) scores[k]![cell]! += share[k]! * mask;
    }
  }
  return scores.map((map) => resize(map, [h, w], [height, width]));
}

/** Σ w·loss and Σ w of one image. */
export function denseLoss(
  sizes: BatchSizes,
  batch: RandomBatch,
  image: number,
  head: { weight: ArrayLike<number>; bias: ArrayLike<number> },
  loss: 'cross-entropy' | 'nll',
  classWeights?: ArrayLike<number>,
): [number, number] {
  const scores = denseScores(sizes, batch, image, head.weight, head.bias);
  const pixels = sizes.height * sizes.width;
  const each = (score: number) => (loss === 'nll' ? score + 1e-6 : Math.exp(score));
  let [sum, total] = [0, 0];
  for (let i = 0; i < pixels; i++) {
    const label = batch.labels[image * pixels + i]!;
    if (label === 255) continue;
    const all = scores.reduce((all, map) => all + each(map[i]!), 0);
    const weight = classWeights?.[label] ?? 1;
    sum -= weight * Math.log(each(scores[label]![i]!) / all);
    total += weight;
  }
  return [sum, total];
}
