/** Errors of a network's outputs against exact ones, over many images, and what tells two precisions apart by them. */
import { round } from './figures.mjs';

/** ‖actual − expected‖ / ‖expected‖ */
export function relative(actual, expected) {
  let [error, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(error / norm);
}

/** Share of values that are the same. */
export function same(actual, expected) {
  let equal = 0;
  for (let i = 0; i < expected.length; i++) equal += actual[i] === expected[i];
  return equal / expected.length;
}

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean over the images, and its standard error. */
export function summary(values) {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardError = Math.sqrt(squares / Math.max(1, values.length - 1) / values.length);
  return { mean: round(mean), standardError: round(standardError) };
}

/**
 * A precision's values beside another one's of the same images: means, their difference and their ratio, with the standard errors
 * of these. The images' own errors cancel in both (the ratio's by linearisation), which those of the two means do not.
 */
export function paired(values, reference) {
  const differences = values.map((value, i) => value - reference[i]);
  const ratio = meanOf(values) / meanOf(reference);
  const residuals = summary(values.map((value, i) => value - ratio * reference[i]));
  return {
    ...summary(values),
    difference: summary(differences),
    ratio: { mean: round(ratio), standardError: round(residuals.standardError / meanOf(reference)) },
  };
}
