/** Training with a pass on several devices: heads and metrics are those of one. `cpu,cpu` are two lanes on one device. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { train } from '../../lib/train/loop.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { readMetrics, readPosition, tensorDigests, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const tiny = await tinySettings(root, { train: 6, val: 2 });
const settings = { ...tiny, mode: 'cached' as const, epochs: 2, passSize: 2 };
const run = (name: string, given: Partial<TrainConfig>, hooks: Parameters<typeof train>[1] = {}) =>
  train({ ...settings, out: join(root, name), cache: join(root, `${name}-cache`), ...given }, hooks);

t.test('a run whose cache two devices fill is that of one device', async (t) => {
  await run('single', { device: 'cpu' });
  await run('double', { device: 'cpu,cpu' });
  const [single, double] = [join(root, 'single'), join(root, 'double')];
  t.same(readMetrics(double), readMetrics(single));
  t.same(tensorDigests(double, 'last'), tensorDigests(single, 'last'));
  t.match(readFileSync(join(double, 'training.log'), 'utf8'), /on cpu, cpu/);
  t.match(readFileSync(join(double, 'report.html'), 'utf8'), /Devices<.*cpu, cpu/s);
});

t.test('it may be resumed with another number of devices, if the first is the same', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const out = join(root, 'resumed');
  const onProgress = ({ phase, epoch }: { phase: string; epoch: number }) =>
    phase === 'train' && epoch === 2 && controller.abort();
  await t.rejects(run('resumed', { device: 'cpu,cpu' }, { signal, onProgress }), { code: 'ABORTED' });
  t.equal(readPosition(out)?.finished, false);
  await train({ out, device: 'cpu' }, { resume: true });
  t.same(readMetrics(out), readMetrics(join(root, 'single')));
  t.same(tensorDigests(out, 'last'), tensorDigests(join(root, 'single'), 'last'));
});

t.test('live training takes the first device', async (t) => {
  const live = { mode: 'live' as const, epochs: 1, passSize: null, cache: null };
  await run('live', { ...live, device: 'cpu' });
  await run('live-list', { ...live, device: 'cpu,cpu' });
  t.same(readMetrics(join(root, 'live-list')), readMetrics(join(root, 'live')));
  t.match(readFileSync(join(root, 'live-list', 'training.log'), 'utf8'), /live, on cpu\n/);
});
