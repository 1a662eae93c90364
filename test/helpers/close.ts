import type { Test } from 'tap';

export interface Tolerance {
  /** Bound of ‖actual − expected‖ / ‖expected‖. */
  rtol?: number;
  /** Bound of every |actual − expected|. */
  atol?: number;
  /** To say where the largest error is. */
  shape?: readonly number[];
}

type Numbers = ArrayLike<number> | ArrayLike<bigint>;

/** ‖actual − expected‖ / ‖expected‖; of an expected 0, ‖actual‖. */
export function relativeError(actual: Numbers, expected: Numbers): number {
  let [squaredError, squaredNorm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    squaredError += (Number(actual[i]) - Number(expected[i])) ** 2;
    squaredNorm += Number(expected[i]) ** 2;
  }
  return squaredNorm > 0 ? Math.sqrt(squaredError / squaredNorm) : Math.sqrt(squaredError);
}

/** Asserts that arrays agree; its title tells the error, and where it is largest, also when they do. */
export function close(t: Test, name: string, actual: Numbers, expected: Numbers, tolerance: Tolerance): void {
  const { rtol = Infinity, atol = Infinity, shape } = tolerance;
  if (actual.length !== expected.length) {
    t.fail(`${name}: ${actual.length} values instead of ${expected.length}`);
    return;
  }
  let largest = -1;
  let place = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(Number(actual[i]) - Number(expected[i]));
    // A NaN is the largest error there is.
    if (!(error <= largest)) [largest, place] = [error, i];
    if (Number.isNaN(error)) break;
  }
  const relative = relativeError(actual, expected);
  const bounds = [
    ...(rtol < Infinity ? [`relative ${relative.toExponential(1)} ≤ ${rtol}`] : []),
    ...(atol < Infinity ? [`absolute ${largest.toExponential(1)} ≤ ${atol}`] : []),
  ].join(', ');
  const where = expected.length > 0 ? `; largest at [${indexOf(place, shape).join(', ')}]: ` : '';
  const values = expected.length > 0 ? `${Number(actual[place])} for ${Number(expected[place])}` : '';
  t.ok(relative <= rtol && largest <= atol, `${name}: ${bounds}${where}${values}`);
}

function indexOf(place: number, shape: readonly number[] | undefined): number[] {
  if (shape === undefined) return [place];
  const index: number[] = [];
  for (const size of [...shape].reverse()) {
    index.unshift(place % size);
    place = Math.floor(place / size);
  }
  return index;
}

/** Whether arrays are equal bit by bit; comparing them through tap would list every element. */
export function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  return bytes(a).equals(bytes(b));
}

/** Asserts that two class maps are the same, bit by bit. */
export function sameMap<Map extends { data: ArrayBufferView }>(
  t: Test,
  actual: Map,
  expected: Map,
  name = 'the same map',
): void {
  const [{ data, ...rest }, { data: expectedData, ...expectedRest }] = [actual, expected];
  t.same(rest, expectedRest, name);
  t.ok(sameBits(data, expectedData), name);
}
