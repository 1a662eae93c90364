/** Live training of whatever cached training can, against cached training, in float32. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { sameRuns } from '../helpers/same-runs.js';
import { writeTinyNetwork } from '../helpers/tiny-network.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const weights = join(root, 'weights.json');
writeFileSync(weights, JSON.stringify({ road: 0.5, person: 3, sky: 0 }));
const settings: Partial<TrainConfig> = {
  ...(await tinySettings(root, { train: 10, val: 4 })),
  ...{ brightness: 0, contrast: 0, saturation: 0, hue: 0 },
  ...{ headPrecision: 'float32', cacheDtype: 'float32', batchSize: 3, accumulate: 2 },
  ...{ model: (await writeTinyNetwork(root)).model, epochs: 3, learningRate: 1e-2, patience: 0 },
};

const cases: Record<string, Partial<TrainConfig>> = {
  'loss nll': { loss: 'nll' },
  'loss mask2former': { loss: 'mask2former' },
  'class weights by frequency': { classWeights: 'frequency' },
  'class weights of a file': { classWeights: weights, loss: 'nll' },
  'loss mask2former with class weights': { classWeights: 'frequency', loss: 'mask2former' },
  'a linear probe': { headKind: 'linear_probe' },
  'a linear probe with class weights': { headKind: 'linear_probe', classWeights: 'frequency' },
  'a sweep': { sweep: 'lr=1e-2,3e-3;loss=nll,mask2former' },
  folds: { folds: 3 },
  'folds of a linear probe': { folds: 3, headKind: 'linear_probe' },
};

for (const [name, given] of Object.entries(cases))
  t.test(`${name}: live training is cached training within 1e-5`, async (t) => {
    const run = (mode: 'live' | 'cached') => join(t.testdirName, mode);
    t.testdir();
    for (const mode of ['live', 'cached'] as const)
      await train({
        ...settings,
        ...given,
        mode,
        out: run(mode),
        cache: mode === 'cached' ? join(root, `cache-${given.headKind}`) : null,
      });
    sameRuns(t, run('live'), run('cached'));
  });

t.test('a run that counts the pixels of its classes stops on request', async (t) => {
  const controller = new AbortController();
  const prototype = SegmentationDataset.prototype;
  const { load } = prototype;
  let loaded = 0;
  t.intercept(prototype, 'load', {
    value: function (this: SegmentationDataset, index: number) {
      if (++loaded === 2) controller.abort();
      return load.call(this, index);
    },
  });
  const given = { ...settings, mode: 'live', classWeights: 'frequency', out: t.testdir() } as const;
  await t.rejects(train(given, { signal: controller.signal }), { code: 'ABORTED' });
  t.equal(loaded, 2, 'of 10 images');
});
