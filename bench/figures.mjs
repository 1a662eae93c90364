/** Figures of the benches. */

/** Of an odd number the middle one, else the upper of the two. */
export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** To four digits. */
export const round = (value) => Number(value.toPrecision(4));
