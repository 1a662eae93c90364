/** Batches of scenes for networks in training. */
import { engine } from '../../../../lib/native/engine.js';
import type { TensorHandle } from '../../../../lib/native/bindings/engine.js';
import { trainingEngine, type TrainingHandle } from '../../lib/training-engine.js';

/** A view of a scene as it is. */
export const wholeView = [0, 1, 0, 1, 1, 1, 1, 1, 1];

/** Scenes with a view of each. */
export function batchOf(
  scenes: readonly number[],
  views: readonly (readonly number[])[] = scenes.map(() => wholeView),
) {
  return {
    scenes: engine().tensor(Int32Array.from(scenes), [scenes.length]),
    views: engine().tensor(Float32Array.from(views.flat()), [views.length, 9]),
  };
}

/** A tensor's numbers. */
export async function valuesOf(handle: TensorHandle): Promise<Float32Array> {
  return (await engine().tensorData(handle)).data as Float32Array;
}

export const stepOptions = { learningRate: 1e-3, weightDecay: 0.05, maxNorm: 1, ema: 0.5 };

/** Takes steps on two of `count` scenes each. */
export async function takeSteps(
  training: TrainingHandle,
  steps: number,
  count: number,
): Promise<TrainingHandle> {
  const first = trainingEngine().trainingInfo(training).steps;
  for (let step = first; step < first + steps; step++)
    await trainingEngine().trainingStep(training, batchOf([step % count, (step + 1) % count]), stepOptions);
  return training;
}
