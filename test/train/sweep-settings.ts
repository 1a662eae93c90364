import t from 'tap';
import { resolveConfig } from '../../lib/train/config.js';
import { foldsOf, headsOfRun, sweepSettings, type SweepSettings } from '../../lib/train/sweep-settings.js';

const config: SweepSettings = {
  learningRate: 1e-4,
  weightDecay: 1e-2,
  loss: 'cross-entropy',
  classWeights: 'none',
};

t.test('every combination is a head; what is not named is as in the settings', async (t) => {
  t.same(sweepSettings('lr=1e-3,3e-3;loss=cross-entropy,nll', config), [
    { ...config, learningRate: 1e-3 },
    { ...config, learningRate: 1e-3, loss: 'nll' },
    { ...config, learningRate: 3e-3 },
    { ...config, learningRate: 3e-3, loss: 'nll' },
  ]);
  t.same(sweepSettings('weight-decay=0 class-weights=frequency,w.json', config), [
    { ...config, weightDecay: 0, classWeights: 'frequency' },
    { ...config, weightDecay: 0, classWeights: 'w.json' },
  ]);
  t.equal(sweepSettings('loss=reference', config)[0]!.loss, 'cross-entropy', 'its earlier name');
  t.same(sweepSettings('', config), [config], 'nothing named: one head');
});

t.test('what cannot be read is refused with what it should be', async (t) => {
  const many = Array.from({ length: 257 }, (_, i) => i + 1).join(',');
  const cases: [string, RegExp][] = [
    ['lt=1', /unknown setting "lt"\. Did you mean "lr"\?/],
    ['lr=1;lr=2', /"lr" is given twice/],
    ['lr=', /"lr" has no values/],
    ['lr', /"lr" has no values/],
    ['lr=fast', /"lr" should be a number above 0, not "fast"/],
    ['lr=0', /"lr" should be a number above 0, not "0"/],
    ['weight-decay=-1', /"weight-decay" should be a number of at least 0, not "-1"/],
    ['weight-decay=Infinity', /"weight-decay" should be a number of at least 0, not "Infinity"/],
    ['loss=nil', /"loss" should be one of .*, not "nil".*Did you mean "nll"\?/],
    [`lr=${many}`, /it has 257 heads, and the maximum is 256/],
  ];
  for (const [sweep, message] of cases)
    t.throws(() => sweepSettings(sweep, config), { code: 'INVALID_ARGUMENT', message }, sweep);
  t.throws(() => sweepSettings('x=1', config), {
    message: /Expected settings with their values, such as lr=/,
  });
});

t.test('the heads of a run are its sweep’s or one a fold', async (t) => {
  const run = { model: 'm', data: 'd', out: 'o' };
  t.equal(headsOfRun(resolveConfig({ ...run, sweep: 'lr=1,2,3' })).length, 3);
  t.same(
    headsOfRun(resolveConfig({ ...run, folds: 4, learningRate: 5 })).map(({ learningRate }) => learningRate),
    [5, 5, 5, 5],
  );
  t.throws(() => resolveConfig({ ...run, folds: 4, sweep: 'lr=1' }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => resolveConfig({ ...run, folds: 1 }), { code: 'INVALID_ARGUMENT' });
});

t.test('folds are of equal size, to one image, and follow from the seed', async (t) => {
  for (const [images, folds] of [
    [10, 5],
    [11, 4],
    [3, 3],
    [100, 7],
  ] as const) {
    const fold = foldsOf(images, folds, 1);
    const sizes = Array.from({ length: folds }, (_, k) => fold.filter((own) => own === k).length);
    t.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${images} images: ${sizes.join(', ')}`);
    t.same(foldsOf(images, folds, 1), fold);
  }
  t.notSame(foldsOf(100, 7, 1), foldsOf(100, 7, 2));
});
