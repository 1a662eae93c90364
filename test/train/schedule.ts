import t from 'tap';
import { cosineLearningRate, schedule } from '../../lib/train/schedule.js';
import { close } from '../helpers/close.js';
import { formulaOutputs } from '../helpers/formula.js';

t.test("the learning rates are those of torch's CosineAnnealingLR", async (t) => {
  const golden = formulaOutputs('train');
  const cases = [
    ['recipe', 1e-4],
    ['accumulate', 2e-3],
    ['fast', 2e-3],
  ] as const;
  for (const [name, initial] of cases) {
    const expected = golden[`${name}.lr`]!.data as Float64Array;
    const actual = Array.from(expected, (_, step) => cosineLearningRate(initial, step, expected.length));
    close(t, name, actual, expected, { rtol: 1e-9, atol: 1e-12 });
  }
});

t.test('an epoch has a smaller last batch and a smaller last step where images do not divide', async (t) => {
  t.same(schedule({ images: 10, batchSize: 3, accumulate: 3, epochs: 5 }), {
    batchesPerEpoch: 4,
    stepsPerEpoch: 2,
    totalSteps: 10,
  });
  t.same(schedule({ images: 6, batchSize: 1, accumulate: 1, epochs: 2 }).totalSteps, 12);
});
