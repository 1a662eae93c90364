/** Distributions of feature values over the rows of a table, gathered row by row. */
import type { FeatureColumn } from './extractor.js';

/** Inclusive upper ends of ranges; the last range has none. */
const ends = {
  percent: [0, 1, 2, 5, 10, 20, 50],
  count: [0, 1, 2, 3, 5, 10, 20],
} as const;

/** Distribution of one feature. */
export interface Distribution extends FeatureColumn {
  /** Mean value; null if there are no rows. */
  readonly mean: number | null;
  /** Minimum; null if there are no rows. */
  readonly least: number | null;
  /** Maximum; null if there are no rows. */
  readonly most: number | null;
  /** Number of rows with a value above 0. */
  readonly above: number;
  /** Number of rows with a value in each range. */
  readonly bars: readonly number[];
  /** Labels of the ranges. */
  readonly labels: readonly string[];
}

function labelsOf(kind: FeatureColumn['kind']): string[] {
  const unit = kind === 'percent' ? ' %' : '';
  const above = ends[kind].at(-1)!;
  const ranges = ends[kind].map((end, i) => {
    const before = ends[kind][i - 1];
    if (before === undefined) return `${end}${unit}`;
    if (kind === 'percent') return `above ${before} to ${end}${unit}`;
    return before + 1 === end ? `${end}` : `${before + 1} to ${end}`;
  });
  return [...ranges, `above ${above}${unit}`];
}

/** Collects rows, one value per feature. */
export class Distributions {
  #rows = 0;
  readonly #sums: Float64Array;
  readonly #least: Float64Array;
  readonly #most: Float64Array;
  readonly #bars: number[][];

  constructor(private readonly columns: readonly FeatureColumn[]) {
    this.#sums = new Float64Array(columns.length);
    this.#least = new Float64Array(columns.length).fill(Infinity);
    this.#most = new Float64Array(columns.length).fill(-Infinity);
    this.#bars = columns.map(({ kind }) => new Array<number>(ends[kind].length + 1).fill(0));
  }

  /** @param valueOf the value of a feature, by its place among the columns. */
  add(valueOf: (column: number) => number): void {
    this.#rows++;
    for (const [i, { kind }] of this.columns.entries()) {
      const value = valueOf(i);
      this.#sums[i]! += value;
      this.#least[i] = Math.min(this.#least[i]!, value);
      this.#most[i] = Math.max(this.#most[i]!, value);
      const place = ends[kind].findIndex((end) => value <= end);
      this.#bars[i]![place < 0 ? ends[kind].length : place]!++;
    }
  }

  result(): Distribution[] {
    const rows = this.#rows;
    const orNull = (value: number) => (rows > 0 ? value : null);
    return this.columns.map((column, i) => ({
      ...column,
      mean: orNull(this.#sums[i]! / rows),
      least: orNull(this.#least[i]!),
      most: orNull(this.#most[i]!),
      above: rows - this.#bars[i]![0]!,
      bars: this.#bars[i]!,
      labels: labelsOf(column.kind),
    }));
  }
}
