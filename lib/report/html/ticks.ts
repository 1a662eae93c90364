/** Round numbers on an axis, and their labels. */

/** About `wanted` ticks that enclose the values, at least two, spaced by 1, 2 or 5 times a power of ten. */
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

/** `0.25`, `20,000`; below a thousandth and from a million `2e-5`, `1.5e6`. */
function numberLabel(tick: number, decimals: number, largest: number): string {
  if (tick === 0) return '0';
  if (largest < 1e-3 || largest >= 1e6) return tick.toExponential().replace('e+', 'e');
  return tick.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/**
 * Labels of evenly spaced ticks, all different: they have as many decimals as the step.
 *
 * @param ticks two or more.
 * @param unit `share`: 0…1, shown in percent.
 */
export function tickLabels(ticks: readonly number[], unit: 'share' | 'number'): string[] {
  const scale = unit === 'share' ? 100 : 1;
  const step = (ticks[1]! - ticks[0]!) * scale;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-6));
  if (unit === 'share') return ticks.map((tick) => `${(tick * scale).toFixed(decimals)} %`);
  const largest = Math.max(...ticks.map(Math.abs));
  return ticks.map((tick) => numberLabel(tick, decimals, largest));
}
