/** Places on an axis that people count by. */

/** About `wanted` multiples of 1, 2 or 5 times a power of ten that enclose the values; at least two. */
export function niceTicks(least: number, most: number, wanted: number, smallestStep = 0): number[] {
  const span = most - least || Math.abs(most) || 1;
  const rough = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((each) => each * power >= rough * (1 - 1e-9))!;
  const step = Math.max(smallestStep, factor * power);
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
