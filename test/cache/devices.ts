/** Caches that several devices fill: the files are those of one device. `cpu,cpu` are two lanes on one device. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DinoSegError } from '../../lib/errors.js';
import { checkCache } from '../../lib/cache/manage.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { endHeld } from '../helpers/command-line.js';
import { chooseSize } from '../helpers/passes.js';
import { cacheSource, fill } from '../helpers/tiny-cache.js';
import { asFlags, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
// Sixteen records of eight training images plain and flipped, and three of validation images: nineteen.
const { model, data, imageSize } = await tinySettings(root, { train: 8, val: 3 });
const total = 19;
const settings = { model, data, imageSize: imageSize! };
const sourceOn = (device: string) => cacheSource({ ...settings, cacheDtype: 'float32', device });
const [single, double] = [await sourceOn('cpu'), await sourceOn('cpu,cpu')];
const fileBytes = 400_000;
await fill(at('single'), single, { passSize: 3, fileBytes });

function sameFiles(t: Test, a: string, b: string): void {
  t.same(readdirSync(at(a)).sort(), readdirSync(at(b)).sort());
  for (const name of readdirSync(at(a)))
    t.ok(readFileSync(join(at(a), name)).equals(readFileSync(join(at(b), name))), name);
}

/** Notes which replica each pass runs on, counted from 0, and calls `before` with it. */
function watchReplicas(t: Test, before: (pass: number, replica: number) => unknown = () => {}): number[] {
  const seen: number[] = [];
  const replicas: SegmentationModel[] = [];
  const { prototype } = SegmentationModel;
  const outputs = Object.getOwnPropertyDescriptor(prototype, 'outputs')!.value as typeof prototype.outputs;
  t.intercept(prototype, 'outputs', {
    value: async function (this: SegmentationModel, ...args: Parameters<typeof outputs>) {
      if (!replicas.includes(this)) replicas.push(this);
      seen.push(replicas.indexOf(this));
      await before(seen.length - 1, replicas.indexOf(this));
      return outputs.apply(this, args);
    },
  });
  return seen;
}

const outOfMemory = () => new DinoSegError('OUT_OF_MEMORY', 'Running the network needs more memory');

t.test('two devices fill a cache with the bytes of one', async (t) => {
  const seen = watchReplicas(t);
  t.match(await fill(at('double'), double, { passSize: 3, fileBytes }), { made: total, passSize: 3 });
  t.same(new Set(seen), new Set([0, 1]), 'both have run passes');
  sameFiles(t, 'double', 'single');
});

t.test('features, too', async (t) => {
  for (const device of ['cpu', 'cpu,cpu']) {
    const source = await cacheSource({ ...settings, headKind: 'linear_probe', device });
    await fill(at(`features-${device}`), source, { passSize: 3 });
  }
  sameFiles(t, 'features-cpu,cpu', 'features-cpu');
});

t.test('killed with two devices, gone on with one, and the other way round', async (t) => {
  const given = { ...settings, passSize: 4 };
  await makeCache({ ...given, device: 'cpu', cache: at('untouched') });
  for (const [first, second] of [
    ['cpu,cpu', 'cpu'],
    ['cpu', 'cpu,cpu'],
  ] as const) {
    const name = `killed-${first}`;
    const flags = asFlags({ ...given, device: first });
    // The index has a line besides.
    await endHeld(['cache', 'make', at(name), ...flags], { file: 'index.jsonl', count: 8 }, 'SIGKILL');
    const { records } = await checkCache(at(name));
    t.ok(records >= 7 && records < total, `killed after ${records} records`);
    t.match(await makeCache({ ...given, device: second, cache: at(name) }), { made: total - records });
    sameFiles(t, name, 'untouched');
  }
});

t.test('a pass that fails on one device ends those of the other; what is written is whole', async (t) => {
  const unwatched = watchReplicas(t, (pass) => {
    if (pass === 3) throw outOfMemory();
  });
  const failed = fill(at('failed'), double, { passSize: 3, fileBytes });
  await t.rejects(failed, { code: 'OUT_OF_MEMORY' });
  const begun = unwatched.length;
  const { records, damage } = await checkCache(at('failed'));
  t.same(damage, []);
  t.ok(records < total && records % 3 === 0, `${records} records`);
  t.equal(unwatched.length, begun, 'nothing has run since');
  t.match(await fill(at('failed'), double, { fileBytes }), { kept: records, made: total - records });
  sameFiles(t, 'failed', 'single');
});

t.test('a stop leaves whole records, and the next pass goes on with the others', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error('enough');
  const onProgress = ({ phase, done }: { phase: string; done: number }) =>
    phase === 'fill' && done === 5 && controller.abort(reason);
  const stopped = fill(at('stopped'), double, { passSize: 3, fileBytes, signal, onProgress });
  await t.rejects(stopped, reason);
  t.same(await checkCache(at('stopped')), { records: 6, damage: [] });
  await fill(at('stopped'), single, { fileBytes });
  sameFiles(t, 'stopped', 'single');
});

t.test(
  'a size that one of the devices has no room for is halved for all, before anything is recorded',
  async (t) => {
    chooseSize(t, 6);
    let tries = 0;
    watchReplicas(t, (_, replica) => {
      if (replica === 1 && tries++ === 0) throw outOfMemory();
    });
    const log: string[] = [];
    const filled = await fill(at('halved'), double, { fileBytes, onLog: (line) => log.push(line) });
    t.match(filled, { passSize: 3, made: total });
    t.match(log, [/^Memory ran out with 6 images per pass; continuing with 3/]);
    sameFiles(t, 'halved', 'single');
  },
);

t.test('the disk is found full by the one who writes, and no pass goes on', async (t) => {
  const seen = watchReplicas(t);
  const onForecast = () => {
    throw new DinoSegError('DISK_FULL', 'no room');
  };
  await t.rejects(fill(at('full'), double, { passSize: 1, fileBytes, onForecast }), { code: 'DISK_FULL' });
  const { length } = seen;
  t.ok(existsSync(at('full')));
  t.same((await checkCache(at('full'))).damage, []);
  t.equal(seen.length, length);
});
