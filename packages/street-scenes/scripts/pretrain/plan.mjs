// Choices of a training step: which scenes, what is seen of them, how large the step is. All by the seed and the step alone.
import { random } from '../../../../lib/data/random.js';

// Of this script's own streams.
const order = 101;
const look = 102;

/** Scenes that a step takes from: a tenth at first, all in the second half, so that they can be drawn meanwhile. */
export function scenesAt(step, { scenes, steps }) {
  const first = Math.ceil(scenes / 10);
  return Math.min(scenes, first + Math.ceil(((scenes - first) * step) / Math.max(1, steps / 2)));
}

/** A step's scenes. */
export function scenesOf(step, { seed, batchSize, scenes, steps }) {
  const stream = random(seed, order, step);
  const most = scenesAt(step, { scenes, steps });
  return Int32Array.from({ length: batchSize }, () => stream.below(most));
}

/** What is seen of a batch's scenes, B×9 (lib/training-engine.ts): half of them whole, the others a part. */
export function viewsOf(seed, step, batchSize) {
  const views = new Float32Array(9 * batchSize);
  for (let i = 0; i < batchSize; i++) {
    const stream = random(seed, look, step, i);
    const whole = stream.float() < 0.5;
    const width = whole ? 1 : stream.uniform(0.55, 1);
    const height = whole ? 1 : Math.min(1, width * stream.uniform(0.85, 1.15));
    const left = stream.uniform(0, 1 - width);
    const top = stream.uniform(0, 1 - height);
    const mirrored = stream.float() < 0.5;
    const light = stream.uniform(0.75, 1.25);
    const channel = () => light * stream.uniform(0.94, 1.06);
    views.set(mirrored ? [left + width, -width, top, height] : [left, width, top, height], 9 * i);
    views.set(
      [channel(), channel(), channel(), stream.uniform(0.8, 1.25), stream.uniform(0.7, 1.3)],
      9 * i + 4,
    );
  }
  return views;
}

/** Scenes as they are. */
export function wholeViews(batchSize) {
  return Float32Array.from({ length: 9 * batchSize }, (_, i) => ([0, 2].includes(i % 9) ? 0 : 1));
}

/** Rises linearly over the first steps, then falls to 0 by a cosine. */
export function learningRateAt(step, { steps, warmup, learningRate }) {
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  const share = (step - warmup) / Math.max(1, steps - warmup);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, share)));
}
