/** Formatting of numbers in reports. */

/** A share 0…1 in percent; a dash if it was not measured. */
export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined ? '–' : `${(100 * share).toFixed(digits)} %`;
}

/** An integer with thousands separators. */
export function count(value: number): string {
  return value.toLocaleString('en');
}

/** A number with four significant digits; a dash for null. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** `0.4 s`, `42 s`, `3 min 7 s`, `2 h 15 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** The current time in UTC, to the minute. */
export function now(): string {
  return `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
