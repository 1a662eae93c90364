import { random, streams } from './random.js';

/** Strengths of colour jitter; 0 is none. Hue is in turns of the colour circle, at most 0.5. */
export interface JitterStrength {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  readonly hue: number;
}

export interface AugmentOptions {
  /** Probability of a horizontal flip. */
  readonly flip: number;
  readonly jitter: JitterStrength | null;
}

/** Identifies the sample that a choice is for: the same key gives the same choice. */
export interface AugmentKey {
  readonly seed: number;
  readonly epoch: number;
  readonly index: number;
}

/** The augmentation of one sample; the engine applies it to the pixels. */
export interface Augmentation {
  readonly flip: boolean;
  readonly jitter: {
    /** The order of the four steps: 0 brightness, 1 contrast, 2 saturation, 3 hue. */
    readonly order: readonly [number, number, number, number];
    /** Factors around 1. */
    readonly brightness: number;
    readonly contrast: number;
    readonly saturation: number;
    /** Shift in turns, around 0. */
    readonly hue: number;
  } | null;
}

/** The recipe's augmentation: docs/recipe.md. */
export const recipeAugmentation: AugmentOptions = {
  flip: 0.5,
  jitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.1 },
};

/** No augmentation: validation and prediction. */
export const noAugmentation: Augmentation = { flip: false, jitter: null };

/**
 * Chooses flip and colour jitter as torchvision's RandomHorizontalFlip and ColorJitter do: factors uniform in
 * [max(0, 1 − x), 1 + x], hue uniform in [−h, h], the four steps in random order. Every number is drawn whatever
 * the options are, so that changing one option does not change the other choices.
 */
export function drawAugmentation(key: AugmentKey, options: AugmentOptions): Augmentation {
  const stream = random(key.seed, streams.augment, key.epoch, key.index);
  const flip = stream.float() < options.flip;
  const { jitter } = options;
  if (jitter === null) return { flip, jitter };
  const factor = (strength: number): number => stream.uniform(Math.max(0, 1 - strength), 1 + strength);
  const brightness = factor(jitter.brightness);
  const contrast = factor(jitter.contrast);
  const saturation = factor(jitter.saturation);
  const hue = stream.uniform(-jitter.hue, jitter.hue);
  const order: [number, number, number, number] = [0, 1, 2, 3];
  for (let i = 3; i > 0; i--) {
    const j = stream.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return { flip, jitter: { order, brightness, contrast, saturation, hue } };
}
