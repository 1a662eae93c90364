/** A step of AdamW by its definition, in float64. */
import type { StepOptions } from '../../lib/native/bindings/engine.js';

export const adamwNames = ['value', 'gradient', 'expAvg', 'expAvgSq'] as const;
export type AdamwState<T> = Record<(typeof adamwNames)[number], T>;

/** Changes one head's state and clears its gradient; gives the gradient's norm before clipping. */
export function adamwByDefinition(
  { value, gradient, expAvg, expAvgSq }: AdamwState<Float64Array>,
  { learningRate, weightDecay, beta1, beta2, epsilon, maxNorm }: StepOptions,
  steps: number,
): number {
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g ** 2, 0));
  const clip = Math.min(maxNorm / (norm + 1e-6), 1);
  for (let i = 0; i < value.length; i++) {
    const g = gradient[i]! * clip;
    expAvg[i] = beta1 * expAvg[i]! + (1 - beta1) * g;
    expAvgSq[i] = beta2 * expAvgSq[i]! + (1 - beta2) * g * g;
    const root = Math.sqrt(expAvgSq[i]! / (1 - beta2 ** steps)) + epsilon;
    const step = ((learningRate / (1 - beta1 ** steps)) * expAvg[i]!) / root;
    value[i] = value[i]! * (1 - learningRate * weightDecay) - step;
  }
  gradient.fill(0);
  return norm;
}
