import type { Target } from './targets.mjs';

export function inputOf(target: Target, seeds: readonly Buffer[], seed: number, index: number): Buffer;
