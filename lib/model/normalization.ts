/** Mean and standard deviation of a network's images. */
import type { Normalization } from '../native/bindings/engine.js';

/** A name of {@link normalizations}. */
export type NormalizationName = 'lvd' | 'sat';

export const normalizationNames = ['lvd', 'sat'] as const satisfies readonly NormalizationName[];

/**
 * Those of DINOv3's backbones, by the names of what they were trained on: `lvd` for web images (LVD-1689M; ImageNet's
 * values), `sat` for satellite images (SAT-493M). Source: DINOv3's README.
 */
export const normalizations: Readonly<Record<NormalizationName, Normalization>> = {
  lvd: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  sat: { mean: [0.43, 0.411, 0.296], std: [0.213, 0.156, 0.143] },
};

/** Whether two of them have the same values. */
export function isSameNormalization(a: Normalization, b: Normalization): boolean {
  return [0, 1, 2].every((i) => a.mean[i] === b.mean[i] && a.std[i] === b.std[i]);
}

/** The values, and their name where they have one, as in `mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225 (LVD)`. */
export function normalizationText(normalization: Normalization): string {
  const { mean, std } = normalization;
  const name = normalizationNames.find((each) => isSameNormalization(normalizations[each], normalization));
  return `mean ${mean.join(', ')}, std ${std.join(', ')}${name ? ` (${name.toUpperCase()})` : ''}`;
}
