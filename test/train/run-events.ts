/** TensorBoard's event files of training runs. */
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { idd26Classes } from '../../lib/data/sets/idd26.js';
import { train } from '../../lib/train/loop.js';
import type { EpochMetrics } from '../../lib/train/epoch-metrics.js';
import { readEvents, type ReadEvent } from '../helpers/event-file.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = { ...(await tinySettings(root)), mode: 'cached' as const, cache: join(root, 'cache') };

async function filesOf(run: string): Promise<ReadEvent[][]> {
  const names = (await readdir(run)).filter((name) => name.startsWith('events.')).sort();
  return Promise.all(names.map(async (name) => readEvents(await readFile(join(run, name)))));
}

/** Points as TensorBoard shows them: a START takes away what came before of its step and later ones. */
function shown(files: ReadEvent[][]): Map<number, ReadEvent['scalars']> {
  const points = new Map<number, ReadEvent['scalars']>();
  for (const { step, session, scalars } of files.flat()) {
    if (session === 1) for (const known of points.keys()) if (known >= step) points.delete(known);
    if (Object.keys(scalars).length > 0) points.set(step, scalars);
  }
  return points;
}

async function metricsOf(run: string): Promise<(EpochMetrics & { head?: number })[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as EpochMetrics);
}

function expected(metrics: EpochMetrics): ReadEvent['scalars'] {
  const { classIoU } = metrics;
  const all = {
    'loss/train': metrics.trainLoss,
    'loss/val': metrics.valLoss,
    'mIoU/val': metrics.mIoU,
    'mIoU/val_per_image': metrics.perImageIoU,
    'accuracy/val': metrics.pixelAccuracy,
    lr: metrics.lr,
    'time/epoch_seconds': metrics.seconds,
    'time/images_per_second': metrics.imagesPerSecond,
    ...Object.fromEntries(idd26Classes.map(([name], index) => [`IoU/${name}`, classIoU[index]])),
  };
  const measured = Object.entries(all).filter(([, value]) => value !== null);
  return Object.fromEntries(measured.map(([tag, value]) => [tag, Math.fround(value as number)]));
}

t.test(
  'an epoch has its loss, mIoU, IoU of each class and learning rate, as metrics.jsonl has them',
  async (t) => {
    const out = join(root, 'run');
    await train({ ...settings, out });
    const files = await filesOf(out);
    t.equal(files.length, 1);
    const metrics = await metricsOf(out);
    t.same(
      [...shown(files)],
      metrics.map((line) => [line.epoch, expected(line)]),
    );
    const { classIoU, mIoU } = metrics[0]!;
    t.equal(classIoU.length, 26);
    t.ok(classIoU.includes(null) && mIoU! > 0, 'classes that do not occur have no point');
    t.match(files[0]![2]!.texts['config'], /^ {4}\{\n {6}"preset": "recipe",\n {6}"classes": "idd26"/);
  },
);

t.test('a run that was stopped or killed and goes on has every epoch once', async (t) => {
  const out = join(root, 'stopped');
  const controller = new AbortController();
  const onEpoch = ({ epoch }: EpochMetrics) => epoch === 1 && controller.abort();
  await t.rejects(train({ ...settings, out }, { signal: controller.signal, onEpoch }), { code: 'ABORTED' });
  const killed = join(root, 'killed');
  await cp(out, killed, { recursive: true });

  await train({ out }, { resume: true });
  const files = await filesOf(out);
  t.same(
    files.map((events) => events[1]),
    [
      { ...files[0]![1]!, session: 1, step: 1 },
      { ...files[1]![1]!, session: 1, step: 2 },
    ],
  );
  const metrics = await metricsOf(out);
  t.same(
    [...shown(files)],
    metrics.map((line) => [line.epoch, expected(line)]),
  );
  t.equal(files[1]!.filter(({ texts }) => 'config' in texts).length, 0);

  // Events of an epoch whose state was not saved any more: the run does it once more.
  for (const name of (await readdir(out)).filter((each) => each.startsWith('events.')))
    await cp(join(out, name), join(killed, name));
  await train({ out: killed }, { resume: true });
  const again = await filesOf(killed);
  t.equal(again.length, 3);
  t.same(
    [...shown(again)],
    (await metricsOf(killed)).map((line) => [line.epoch, expected(line)]),
  );
});

t.test('heads of a sweep, and folds, are runs of their own', async (t) => {
  for (const [part, given] of Object.entries({ head: { sweep: 'lr=1e-3,1e-2' }, fold: { folds: 2 } })) {
    const out = join(root, part);
    await train({ ...settings, ...given, out });
    t.same(await filesOf(out), []);
    for (const number of [0, 1]) {
      const own = (await metricsOf(out)).filter(({ head }) => head === number);
      t.equal(own.length, 3);
      const points = shown(await filesOf(join(out, `${part}-${number}`)));
      t.same(
        [...points],
        own.map((line) => [line.epoch, expected(line)]),
      );
    }
  }
});
