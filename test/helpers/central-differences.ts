/** The derivative of `lossOf()` by each of `values`, from central differences; they are changed meanwhile and are as before in the end. */
export async function measuredGradient(
  values: Float64Array,
  lossOf: () => Promise<number>,
  step = 1e-5,
): Promise<number[]> {
  const measured: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const before = values[i]!;
    const lossAt = (value: number) => {
      values[i] = value;
      return lossOf();
    };
    measured.push(((await lossAt(before + step)) - (await lossAt(before - step))) / (2 * step));
    values[i] = before;
  }
  return measured;
}
