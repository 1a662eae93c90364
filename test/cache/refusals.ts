/** What a cache is not used for, who may write to it, and what makes its records old. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { fillCache } from '../../lib/cache/fill-cache.js';
import { checkCache, removeCache } from '../../lib/cache/manage.js';
import { decodeImage, encodePng } from '../../lib/data/decode.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { engine } from '../../lib/native/engine.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { sameBits } from '../helpers/close.js';
import { spawnCommand } from '../helpers/command-line.js';
import { writeFormulaModel } from '../helpers/network.js';
import { cacheSource, fill, readRecords, recordName } from '../helpers/tiny-cache.js';
import { asFlags, readTensors, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = {
  ...(await tinySettings(root, { train: 3, val: 1 })),
  mode: 'cached' as const,
  epochs: 2,
};
const { data } = settings;
const cache = join(root, 'cache');
const source = await cacheSource(settings);
await fill(cache, source);
const { recordBytes } = await CacheFolder.open(cache, source.key);

mkdirSync(join(root, 'other'));
const otherModel = await writeFormulaModel(join(root, 'other'), 'seg-mlp');
for (const split of ['train', 'val']) {
  const folder = join(data, 'gtFine', split, 'scene');
  for (const name of readdirSync(folder))
    copyFileSync(join(folder, name), join(folder, name.replace('labellevel3Ids', 'labelTrainIds')));
}

function snapshot(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

t.test('a cache that was made otherwise is refused, naming the difference, and stays as it is', async (t) => {
  const before = snapshot(cache);
  const cases: [Partial<TrainConfig>, RegExp][] = [
    [{ model: otherModel }, /modelId: "\w+" → "\w+"/],
    [{ dtype: 'bfloat16' }, /modelDtype: "stored" → "bfloat16"/],
    [{ imageSize: 96 }, /imageSize: 64 → 96/],
    [{ classes: 'idd26-reference' }, /classes: "idd26" → "idd26-reference"/],
    [{ labelKind: 'labelTrainIds' }, /labelKind: "labellevel3Ids" → "labelTrainIds"/],
    [{ cacheDtype: 'float32' }, /dtype: "bfloat16" → "float32"/],
    [{ cacheDtype: 'uint8' }, /dtype: "bfloat16" → "uint8"/],
    [{ flip: 0 }, /views\.flip: true → false/],
    [{ views: 2 }, /views\.jittered: 0 → 2/],
    [{ headKind: 'linear_probe' }, /contents: "decoded" → "features"/],
  ];
  for (const [given, difference] of cases) {
    const name = JSON.stringify(given).replaceAll(root, '');
    await t.rejects(
      makeCache({ ...settings, ...given, cache }),
      { code: 'CACHE', message: difference },
      name,
    );
    const run = train({ ...settings, ...given, cache, out: join(root, 'refused') });
    await t.rejects(run, { code: 'CACHE', message: /was made with other settings/ }, 'train, too');
    t.notOk(existsSync(join(root, 'refused')), 'no run is left');
  }
  t.same(snapshot(cache), before);
});

t.test('what the records do not depend on is no difference', async (t) => {
  const free: Partial<TrainConfig>[] = [
    { headPrecision: 'float32', learningRate: 1, batchSize: 2, loss: 'nll', prefetch: 1 },
    { flip: 0.1, seed: 9, brightness: 0, hue: 0.5 },
  ];
  for (const given of free) {
    const { kept, made } = await makeCache({ ...settings, ...given, cache });
    t.same({ kept, made }, { kept: 7, made: 0 }, JSON.stringify(given));
  }
});

t.test('jittered views depend on the seed and the strengths', async (t) => {
  const views = { ...settings, views: 2, cache: join(root, 'views') };
  t.equal((await makeCache(views)).made, 3 * 2 * 2 + 1);
  await t.rejects(makeCache({ ...views, seed: 9 }), { code: 'CACHE', message: /views\.seed: 3 → 9/ });
  await t.rejects(makeCache({ ...views, hue: 0 }), { code: 'CACHE', message: /views\.hue: 0\.1 → 0/ });
});

t.test('a folder that holds something else is refused, and nothing in it is touched', async (t) => {
  const folder = join(root, 'something-else');
  mkdirSync(folder);
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  const refusal = { code: 'CACHE', message: /something-else is not a cache: it contains notes\.txt/ };
  await t.rejects(makeCache({ ...settings, cache: folder }), refusal);
  await t.rejects(checkCache(folder), {
    code: 'CACHE',
    message: /There is no cache in .*cache\.json is missing/,
  });
  t.same(readdirSync(folder), ['notes.txt']);
});

t.test('one writer at a time; readers need no leave', async (t) => {
  const locked = join(root, 'locked');
  cpSync(cache, locked, { recursive: true, preserveTimestamps: true });
  const { layout, id } = await CacheFolder.open(locked, source.key);
  const writer = engine().createCacheWriter(layout!, id, join(locked, 'lock'));
  t.teardown(() => engine().dispose(writer));
  const refusal = {
    code: 'CACHE',
    message: new RegExp(`process ${process.pid} on .* is writing to this cache \\(it has locked .*lock\\)`),
  };
  t.throws(() => engine().createCacheWriter(layout!, id, join(locked, 'lock')), refusal);

  await t.rejects(removeCache(locked), refusal);
  t.equal((await makeCache({ ...settings, cache: locked })).kept, 7, 'nothing to write, no lock');
  await train({ ...settings, cache: locked, out: join(root, 'reader') });
  const checks = Array.from({ length: 3 }, () => spawnCommand(['cache', 'check', locked, '--json']));
  for (const { code, stdout, stderr } of await Promise.all(checks)) {
    t.equal(code, 0, stderr);
    t.same(JSON.parse(stdout), { records: 7, damage: [] });
  }

  const index = join(locked, 'index.jsonl');
  const whole = readFileSync(index);
  writeFileSync(index, whole.subarray(0, whole.lastIndexOf('\n', whole.length - 2) + 1));
  await t.rejects(makeCache({ ...settings, cache: locked }), refusal);
  const other = await spawnCommand(['cache', 'make', locked, ...asFlags(makeFlags)]);
  t.equal(other.code, 1);
  t.match(other.stderr, new RegExp(`^CACHE: process ${process.pid} on .* is writing to this cache`, 'm'));
  engine().dispose(writer);
  t.equal((await makeCache({ ...settings, cache: locked })).made, 1, 'once it is free');
});

const makeFlags = { model: settings.model, data, imageSize: 64, device: 'cpu' };

/** A pass over a folder that was opened before `meanwhile`. */
async function passAfter(folder: string, meanwhile: () => Promise<unknown>): Promise<unknown> {
  const opened = await CacheFolder.open(folder, source.key);
  await meanwhile();
  return fillCache(opened, {
    loadModel: () => SegmentationModel.load(settings.model),
    datasets: { ...source.datasets },
    prefetch: 4,
  });
}

async function checkOvertaken(t: Test, folder: string): Promise<void> {
  const pass = passAfter(folder, () => fill(folder, source));
  await t.rejects(pass, {
    code: 'CACHE',
    message: /Another process wrote to the cache in .* Run the command again/,
  });
  t.same(await checkCache(folder), { records: 7, damage: [] }, 'what the other one made is whole');
  t.equal((await fill(folder, source)).made, 0);
}

t.test('a pass that another one has overtaken leaves its records alone', async (t) => {
  await t.test('in a new cache', (t) => checkOvertaken(t, join(root, 'overtaken-new')));
  await t.test('in a cache with some records', async (t) => {
    const folder = join(root, 'overtaken');
    cpSync(cache, folder, { recursive: true, preserveTimestamps: true });
    const index = join(folder, 'index.jsonl');
    writeFileSync(index, readFileSync(index, 'utf8').split('\n').slice(0, 4).join('\n') + '\n');
    await checkOvertaken(t, folder);
  });
});

t.test('a pass that cannot begin leaves the lock to the next one', async (t) => {
  const folder = join(root, 'no-network');
  cpSync(cache, folder, { recursive: true, preserveTimestamps: true });
  writeFileSync(join(folder, 'index.jsonl'), '');
  const loadModel = () => Promise.reject(new Error('no network'));
  await t.rejects(fill(folder, source, { loadModel }), { message: 'no network' });
  t.equal((await fill(folder, source)).made, 7);
});

t.test('a file that was only touched is the same; one with another content is made again', async (t) => {
  const changing = join(root, 'changing');
  cpSync(data, changing, { recursive: true, preserveTimestamps: true });
  const own = { ...settings, data: changing, cache: join(root, 'changing-cache') };
  await makeCache(own);
  const file = (part: string, frame: number, end: string) =>
    join(changing, part, 'train', 'scene', `00000${frame}_${end}.png`);
  for (const path of [file('leftImg8bit', 0, 'leftImg8bit'), file('gtFine', 1, 'gtFine_labellevel3Ids')])
    utimesSync(path, new Date(), new Date(2001, 1, 1));
  t.equal((await makeCache(own)).made, 0, 'touched');

  const before = readRecords(own.cache, recordBytes);
  const image = await decodeImage(file('leftImg8bit', 0, 'leftImg8bit'));
  const inverted = image.data.map((value) => 255 - value);
  writeFileSync(
    file('leftImg8bit', 0, 'leftImg8bit'),
    await encodePng(inverted, image.width, image.height, 3),
  );
  copyFileSync(file('gtFine', 1, 'gtFine_labellevel3Ids'), file('gtFine', 2, 'gtFine_labellevel3Ids'));
  const out = join(root, 'changed');
  await train({ ...own, out });
  const after = readRecords(own.cache, recordBytes);
  for (const [name, { entry, bytes }] of after) {
    const changed = entry.split === 'train' && entry.name !== 'scene/000001';
    t.equal(!bytes.equals(before.get(name)!.bytes), changed, recordName(entry));
  }
  t.same((await checkCache(own.cache)).damage, []);
  const anew = join(root, 'changed-anew');
  await train({ ...own, out: anew, cache: join(root, 'anew-cache') });
  for (const [name, { data }] of Object.entries(readTensors(anew, 'last')))
    t.ok(sameBits(readTensors(out, 'last')[name]!.data, data), name);
});
