/** The mask2former loss by its definition, in float64, with all matchings tried. */
import { probabilities, sigmoid } from './dense-loss.js';
import type { BatchSizes, RandomBatch } from './heads.js';

/** Every way to give each row its own column; where rows outnumber columns, every way to leave rows over (−1). */
export function* assignments(
  rows: number,
  columns: number,
  taken: readonly number[] = [],
): Generator<number[]> {
  if (taken.length === rows) {
    const pairs = taken.filter((column) => column >= 0).length;
    if (pairs === Math.min(rows, columns)) yield [...taken];
    return;
  }
  for (let column = rows > columns ? -1 : 0; column < columns; column++)
    if (column < 0 || !taken.includes(column)) yield* assignments(rows, columns, [...taken, column]);
}

/** Total of the pairs of an assignment; `costs` row by row. */
export function totalCost(costs: ArrayLike<number>, columns: number, assignment: ArrayLike<number>): number {
  return Array.from(assignment).reduce(
    (sum, column, row) => (column < 0 ? sum : sum + costs[row * columns + column]!),
    0,
  );
}

/** The least total cost there is, by trying them all. */
export function bestAssignment(costs: ArrayLike<number>, rows: number, columns: number): number[] {
  let best: number[] = [];
  let least = Infinity;
  for (const assignment of assignments(rows, columns)) {
    const cost = totalCost(costs, columns, assignment);
    if (cost < least) [best, least] = [assignment, cost];
  }
  return best;
}

/** Targets of the classes of an image at mask resolution; null where a cell has no counted pixel. */
function cellTargets({ h, w, height, width }: BatchSizes, labels: Uint8Array, of: number): (number | null)[] {
  return Array.from({ length: h * w }, (_, cell) => {
    const [y, x] = [Math.floor(cell / w), cell % w];
    let [own, counted] = [0, 0];
    for (let i = Math.floor((y * height) / h); i < Math.ceil(((y + 1) * height) / h); i++)
      for (let j = Math.floor((x * width) / w); j < Math.ceil(((x + 1) * width) / w); j++) {
        const label = labels[i * width + j]!;
        if (label !== 255) counted++;
        if (label === of) own++;
      }
    return counted === 0 ? null : own / counted;
  });
}

/** 5 · mask cost + 5 · dice cost of one mask against one class. */
function maskCost(logits: Float32Array, targets: (number | null)[]): number {
  let [entropy, cells, overlap, ours, theirs] = [0, 0, 0, 0, 0];
  for (const [cell, target] of targets.entries()) {
    if (target === null) continue;
    const p = sigmoid(logits[cell]!);
    entropy -= target * Math.log(p) + (1 - target) * Math.log(1 - p);
    cells++;
    overlap += p * target;
    ours += p;
    theirs += target;
  }
  return (5 * entropy) / cells + 5 * (1 - (2 * overlap + 1) / (ours + theirs + 1));
}

/** 5 · mask cost + 5 · dice cost of a query's mask against a class, in one image. */
export function maskCostOf(
  sizes: BatchSizes,
  batch: RandomBatch,
  [image, query, of]: readonly [image: number, query: number, of: number],
): number {
  const { queries, h, w, height, width } = sizes;
  const labels = batch.labels.subarray(image * height * width, (image + 1) * height * width);
  const first = (image * queries + query) * h * w;
  return maskCost(batch.masks.subarray(first, first + h * w), cellTargets(sizes, labels, of));
}

export interface ReferenceLoss {
  /** Σ w·loss and Σ w. */
  sums: [number, number];
  /** Of Σ w·loss: (K+1)×C row by row, then K+1. */
  gradient: Float64Array;
}

/** Of one image, for a head with K + 1 outputs. */
export function mask2formerLoss(
  sizes: BatchSizes,
  batch: RandomBatch,
  image: number,
  head: { weight: ArrayLike<number>; bias: ArrayLike<number> },
  classWeights?: ArrayLike<number>,
): ReferenceLoss {
  const { queries: count, hidden, classes, height, width } = sizes;
  const outputs = classes + 1;
  const gradient = new Float64Array(outputs * (hidden + 1));
  const labels = batch.labels.subarray(image * height * width, (image + 1) * height * width);
  const present = [...new Set(labels)].filter((label) => label !== 255).sort((a, b) => a - b);
  if (present.length === 0) return { sums: [0, 0], gradient };
  const query = (q: number) =>
    batch.queries.subarray((image * count + q) * hidden, (image * count + q + 1) * hidden);
  const shares = Array.from({ length: count }, (_, q) => probabilities(query(q), head.weight, head.bias));
  const costs = present.flatMap((of) => {
    return shares.map((share, q) => maskCostOf(sizes, batch, [image, q, of]) - 2 * share[of]!);
  });
  const matched = new Array<number>(count).fill(classes);
  for (const [t, q] of bestAssignment(costs, present.length, count).entries())
    if (q >= 0) matched[q] = present[t]!;
  let [sum, total] = [0, 0];
  for (const [q, target] of matched.entries()) {
    const weight = target === classes ? 0.1 : (classWeights?.[target] ?? 1);
    sum -= weight * Math.log(shares[q]![target]!);
    total += weight;
    for (let k = 0; k < outputs; k++) {
      const slope = weight * (shares[q]![k]! - (k === target ? 1 : 0));
      for (let c = 0; c < hidden; c++) gradient[k * hidden + c]! += slope * query(q)[c]!;
      gradient[outputs * hidden + k]! += slope;
    }
  }
  return { sums: [sum, total], gradient };
}
