/** Score loss, its gradient and counts in float64, written from their definitions: every pixel by itself. */
import type { ScoreLoss } from './operators.js';

export interface ScoreCase {
  batch: number;
  heads: number;
  classes: number;
  /** h×w of the scores. */
  grid: readonly [number, number];
  /** H×W of the labels. */
  size: readonly [number, number];
  /** B×N×K×h×w. */
  scores: Float32Array;
  /** B×H×W. */
  labels: Uint8Array;
  losses: readonly ScoreLoss[];
  /** N×K. */
  classWeights?: Float32Array;
}

interface Tap {
  near: number;
  far: number;
  /** Weight of `far`. */
  weight: number;
}

/** What libtorch's upsample_bilinear2d (align_corners false) reads for each position. */
function taps(grid: number, size: number): Tap[] {
  return Array.from({ length: size }, (_, i) => {
    const place = Math.max(((i + 0.5) * grid) / size - 0.5, 0);
    const near = Math.min(Math.floor(place), grid - 1);
    return { near, far: Math.min(near + 1, grid - 1), weight: place - near };
  });
}

interface Pixel {
  image: number;
  head: number;
  label: number;
  /** The K resized scores; overwritten by the next pixel's. */
  resized: Float64Array;
  /** Adds to the gradient at the pixel's four grid points. */
  spread(gradient: Float64Array, k: number, amount: number): void;
}

/** Calls `use` for each counted pixel under each head. */
function eachPixel(given: ScoreCase, use: (pixel: Pixel) => void): void {
  const { batch, heads, classes, grid, size, scores, labels } = given;
  const [h, w] = grid;
  const rows = taps(h, size[0]);
  const columns = taps(w, size[1]);
  const resized = new Float64Array(classes);
  for (let plane = 0; plane < batch * heads; plane++) {
    const image = Math.floor(plane / heads);
    for (const [y, row] of rows.entries())
      for (const [x, column] of columns.entries()) {
        const label = labels[(image * size[0] + y) * size[1] + x]!;
        if (label === 255) continue;
        const places = [
          [row.near * w + column.near, (1 - row.weight) * (1 - column.weight)],
          [row.near * w + column.far, (1 - row.weight) * column.weight],
          [row.far * w + column.near, row.weight * (1 - column.weight)],
          [row.far * w + column.far, row.weight * column.weight],
        ] as const;
        const start = (k: number) => (plane * classes + k) * h * w;
        for (let k = 0; k < classes; k++) {
          resized[k] = 0;
          for (const [place, weight] of places) resized[k]! += weight * scores[start(k) + place]!;
        }
        const spread = (gradient: Float64Array, k: number, amount: number) => {
          for (const [place, weight] of places) gradient[start(k) + place]! += weight * amount;
        };
        use({ image, head: plane % heads, label, resized, spread });
      }
  }
}

/** B×N×2 sums and the gradient B×N×K×h×w of score_loss. */
export function referenceLoss(given: ScoreCase): { sums: Float64Array; gradient: Float64Array } {
  const { batch, heads, classes, losses, classWeights } = given;
  const sums = new Float64Array(batch * heads * 2);
  const gradient = new Float64Array(given.scores.length);
  eachPixel(given, ({ image, head, label, resized, spread }) => {
    const weight = classWeights?.[head * classes + label] ?? 1;
    const add = (loss: number) => {
      sums[(image * heads + head) * 2]! += weight * loss;
      sums[(image * heads + head) * 2 + 1]! += weight;
    };
    if (losses[head] === 'nll') {
      const shifted = resized.map((score) => score + 1e-6);
      const total = shifted.reduce((sum, score) => sum + score, 0);
      add(Math.log(total) - Math.log(shifted[label]!));
      for (let k = 0; k < classes; k++)
        spread(gradient, k, weight * (1 / total - (k === label ? 1 / shifted[k]! : 0)));
    } else {
      const most = resized.reduce((a, b) => Math.max(a, b));
      const total = resized.reduce((sum, score) => sum + Math.exp(score - most), 0);
      add(Math.log(total) + most - resized[label]!);
      for (let k = 0; k < classes; k++)
        spread(gradient, k, weight * (Math.exp(resized[k]! - most) / total - Number(k === label)));
    }
  });
  return { sums, gradient };
}

/** B×N×K×K counts of score_counts, and how many pixels have a second class within `margin` of the best. */
export function referenceCounts(given: ScoreCase, margin: number): { counts: Float64Array; narrow: number } {
  const { batch, heads, classes } = given;
  const counts = new Float64Array(batch * heads * classes * classes);
  let narrow = 0;
  eachPixel(given, ({ image, head, label, resized }) => {
    let best = 0;
    for (let k = 1; k < classes; k++) if (resized[k]! > resized[best]!) best = k;
    counts[((image * heads + head) * classes + label) * classes + best]!++;
    if (resized.some((score, k) => k !== best && resized[best]! - score < margin)) narrow++;
  });
  return { counts, narrow };
}
