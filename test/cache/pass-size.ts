/** Records come from passes of several images, and are the same bits however the filling went. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { checkCache, listCaches } from '../../lib/cache/manage.js';
import { cacheId, sha256 } from '../../lib/cache/key.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { close } from '../helpers/close.js';
import { endHeld } from '../helpers/command-line.js';
import { chooseSize, watchDecode } from '../helpers/passes.js';
import { cacheSource, fill, readIndexLines, readRecords } from '../helpers/tiny-cache.js';
import { asFlags, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
// Sixteen records of eight training images plain and flipped, and three of validation images: nineteen.
const settings = { ...(await tinySettings(root, { train: 8, val: 3 })), mode: 'cached' as const };
const source = await cacheSource({ ...settings, cacheDtype: 'float32' });
const total = 19;
const fileBytes = 400_000;
const whole = join(root, 'whole');
await fill(whole, source, { passSize: 3, fileBytes });
const { recordBytes } = await CacheFolder.open(whole, source.key);

function sameFiles(t: Test, a: string, b: string): void {
  t.same(readdirSync(a).sort(), readdirSync(b).sort());
  for (const name of readdirSync(a))
    t.ok(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name);
}

t.test('records are those of passes one by one, up to rounding', async (t) => {
  const single = join(root, 'single');
  const seen = watchDecode(t);
  const { passSize, made } = await fill(single, source);
  t.same({ passSize, made }, { passSize: 1, made: total });
  t.same(seen, new Array(total).fill(1), 'one image a pass on the CPU');
  const expected = readRecords(single, recordBytes);
  for (const [name, { entry, bytes }] of readRecords(whole, recordBytes)) {
    const other = expected.get(name)!;
    t.same(entry.classPixels, other.entry.classPixels, name);
    // Queries 100×64 and masks 100×16×16.
    const floats = ({ buffer, byteOffset }: Buffer) =>
      new Float32Array(buffer.slice(byteOffset, byteOffset + 4 * 32_000));
    close(t, name, floats(bytes), floats(other.bytes), { rtol: 1e-5 });
  }
});

t.test("a record's group is given by its place in the list", async (t) => {
  using model = await SegmentationModel.load(settings.model);
  const { train } = source.datasets;
  const samples = await Promise.all([0, 1].map((index) => train.load(index)));
  // The first three records: the first image plain and flipped, the second plain.
  const images = [samples[0]!.image, samples[0]!.image, samples[1]!.image];
  const augmentations = [false, true, false].map((flip) => ({ flip, jitter: null }));
  const options = { width: 64, height: 64, device: 'cpu', augmentations };
  using batch = Tensor.wrap(
    await engine().prepareImages(images, { ...options, normalization: model.normalization }),
  );
  using decoded = await model.decode(batch);
  const queries = (await decoded.queries.data()) as Float32Array;
  const [first] = readRecords(whole, recordBytes).values();
  const stored = first!.bytes.subarray(0, queries.byteLength / 3);
  t.ok(stored.equals(Buffer.from(queries.buffer, queries.byteOffset, queries.byteLength / 3)));
});

t.test("the backbone's features come from passes of several images, too", async (t) => {
  const probed = await cacheSource({ ...settings, headKind: 'linear_probe', cacheDtype: 'float32' });
  const features = async (passSize: number) => {
    const cache = join(root, `features-${passSize}`);
    t.match(await fill(cache, probed, { passSize }), { made: total, passSize });
    const { recordBytes } = await CacheFolder.open(cache, probed.key);
    return [...readRecords(cache, recordBytes).values()].flatMap(({ bytes }) => [
      // 64×4×4.
      ...new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 4 * 1024)),
    ]);
  };
  close(t, 'features', await features(3), await features(1), { rtol: 1e-5 });
});

t.test('a pass that is stopped anywhere goes on to the same bytes', async (t) => {
  const lines = readIndexLines(whole);
  const index = readFileSync(join(whole, 'index.jsonl'));
  // As a kill leaves it: after each whole line, and in the middle of the next.
  for (const i of [0, 1, 2, 3, 7, 16, 18]) {
    const { end } = lines[i]!;
    const cache = join(root, `stopped-${i}`);
    cpSync(whole, cache, { recursive: true, preserveTimestamps: true });
    writeFileSync(join(cache, 'index.jsonl'), index.subarray(0, Math.min(index.length, end + 20)));
    const { kept, made, passSize } = await fill(cache, source, { fileBytes });
    t.same({ kept, made, passSize }, { kept: i, made: total - i, passSize: 3 }, `after ${i} records`);
    sameFiles(t, cache, whole);
  }
});

t.test('SIGKILL in the pass, then once more: the bytes of a pass that was not killed', async (t) => {
  const { model, data, imageSize } = await tinySettings(t.testdir(), { train: 6, val: 2 });
  const given = { model, data, imageSize: imageSize!, device: 'cpu', passSize: 4 };
  const [killed, untouched] = [join(root, 'killed'), join(root, 'untouched')];
  // The index has a line besides.
  await endHeld(['cache', 'make', killed, ...asFlags(given)], { file: 'index.jsonl', count: 7 }, 'SIGKILL');
  const index = join(killed, 'index.jsonl');
  const records = () => (existsSync(index) ? readFileSync(index, 'latin1').split('\n').length - 2 : 0);
  t.ok(records() >= 6 && records() < 14, `killed after ${records()} of 14 records`);
  for (const cache of [killed, untouched]) await makeCache({ ...given, cache });
  sameFiles(t, killed, untouched);
});

t.test('what is damaged is made again to the same bits, with its group', async (t) => {
  const cache = join(root, 'damaged');
  cpSync(whole, cache, { recursive: true, preserveTimestamps: true });
  const before = readRecords(whole, recordBytes);
  const [first, second] = [...before.values()].filter((_, i) => i === 4 || i === 18);
  for (const { entry } of [first!, second!]) {
    const path = join(cache, `records-0000${entry.file}.bin`);
    const content = readFileSync(path);
    content[entry.offset + 1000]! ^= 1;
    writeFileSync(path, content);
  }
  const seen = watchDecode(t);
  const { made } = await fill(cache, source, { fileBytes });
  t.equal(made, 2);
  t.same(seen, [3, 1], 'its group, and the last one, which is smaller');
  for (const [name, { bytes }] of readRecords(cache, recordBytes))
    t.ok(bytes.equals(before.get(name)!.bytes), name);
  t.same((await checkCache(cache)).damage, []);
});

t.test('a size that was chosen and does not fit is halved before anything is recorded', async (t) => {
  const cache = join(root, 'halved');
  chooseSize(t, 8);
  const seen = watchDecode(t, 3);
  const log: string[] = [];
  const { passSize, made } = await fill(cache, source, { fileBytes, onLog: (line) => log.push(line) });
  t.same({ passSize, made }, { passSize: 2, made: total });
  t.same(seen, [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1], 'the first one is tried out');
  t.equal(log.length, 2, log.join('\n'));
  t.match((await listCaches(cache))[0], { passSize: 2, records: total });
  const given = join(root, 'given-two');
  await fill(given, source, { fileBytes, passSize: 2 });
  sameFiles(t, cache, given);
});

t.test('once records are there the size stays, and the error says what can be done', async (t) => {
  const cache = join(root, 'stays');
  chooseSize(t, 4);
  watchDecode(t, 2, 3);
  await t.rejects(fill(cache, source, { fileBytes }), {
    code: 'OUT_OF_MEMORY',
    message:
      /needs more memory.*stays need 4 images per forward pass\. For fewer images, remove the cache, or choose/,
  });
  t.same(await checkCache(cache), { records: 8, damage: [] });
});

t.test('a given size that does not fit is an error, and nothing is recorded', async (t) => {
  const cache = join(root, 'too-large');
  watchDecode(t, 3);
  await t.rejects(fill(cache, source, { passSize: 8 }), {
    code: 'OUT_OF_MEMORY',
    message: 'Running the network needs more memory than is available',
  });
  t.same(readdirSync(cache), []);
  t.match(await fill(cache, source, { passSize: 3, fileBytes }), { made: total, passSize: 3 });
  sameFiles(t, cache, whole);
});

t.test(
  'a cache does not go on in passes of another size, but serves whatever size is asked for',
  async (t) => {
    const cache = join(root, 'begun');
    cpSync(whole, cache, { recursive: true, preserveTimestamps: true });
    t.match(await fill(cache, source, { passSize: 5 }), { kept: total, made: 0, passSize: 3 });
    const index = readFileSync(join(cache, 'index.jsonl'));
    writeFileSync(join(cache, 'index.jsonl'), index.subarray(0, readIndexLines(whole)[5]!.end));
    await t.rejects(fill(cache, source, { passSize: 5 }), {
      code: 'CACHE',
      message:
        /started with 3 images per forward pass, but --pass-size is 5, and 14 records are still missing\..*Omit --pass-size to continue/,
    });
    t.match(await fill(cache, source, { passSize: 3, fileBytes }), { kept: 5, made: 14 });
    sameFiles(t, cache, whole);
  },
);

t.test('a cache of before sizes were recorded goes on with passes of one image', async (t) => {
  const cache = join(root, 'earlier');
  const single = join(root, 'single');
  cpSync(single, cache, { recursive: true, preserveTimestamps: true });
  const { key, layout } = JSON.parse(
    readFileSync(join(single, 'cache.json'), 'utf8').replace(/\n[0-9a-f]{64}\n$/, ''),
  ) as { key: typeof source.key; layout: unknown };
  const description = JSON.stringify({ key, layout }, null, 2);
  writeFileSync(join(cache, 'cache.json'), `${description}\n${sha256(description)}\n`);
  const first = JSON.stringify({ layout });
  const line = `${first}\t${sha256(`${cacheId(key)}\n${first}`).slice(0, 16)}\n`;
  const [form, ...records] = readIndexLines(single);
  const index = readFileSync(join(single, 'index.jsonl'));
  const kept = index.subarray(form!.end, records[9]!.end);
  writeFileSync(join(cache, 'index.jsonl'), Buffer.concat([Buffer.from(line), kept]));
  t.match(await fill(cache, source), { kept: 10, made: 9, passSize: 1 });
  for (const [name, { bytes }] of readRecords(cache, recordBytes))
    t.ok(bytes.equals(readRecords(single, recordBytes).get(name)!.bytes), name);
});

t.test('progress is told image by image', async (t) => {
  const told: number[] = [];
  const cache = join(root, 'told');
  await makeCache(
    { ...settings, cache, passSize: 4 },
    { onProgress: ({ phase, done }) => void (phase === 'cache' && told.push(done)) },
  );
  t.same(
    told,
    Array.from({ length: total }, (_, i) => i + 1),
  );
});
