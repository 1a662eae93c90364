/** Tables of many images: what is survived, refused and gone on with. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { DinoSegError } from '../../lib/errors.js';
import { extractTable, type ExtractTableOptions } from '../../lib/features/extract-table.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { pixelExtractor, type PixelExtractorOptions } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const folder = join(root, 'in');
await writePictures(folder, 10);
const images = await imagesOfPaths([folder]);
const at = (name: string) => join(root, name);
const text = (name: string) => readFileSync(at(name), 'utf8');

function extract(
  output: string,
  options: Partial<ExtractTableOptions> = {},
  extractor: PixelExtractorOptions = {},
  list = images,
) {
  return extractTable(pixelExtractor(extractor), list, { output: at(output), ...options });
}

t.test('a row an image in the order given, and a summary', async (t) => {
  const seen: number[] = [];
  const summary = await extract('a.csv', { onProgress: (done) => seen.push(done) });
  t.same(seen, [0, 4, 8, 10]);
  t.match(summary, {
    rows: 10,
    failures: [],
    extracted: 10,
    means: [{ name: 'dark' }, { name: 'red' }, { name: 'bands' }],
  });
  t.ok(summary.imagesPerSecond! > 0 && summary.waitingShare! >= 0 && summary.waitingShare! <= 1);
  const lines = text('a.csv').trimEnd().split('\r\n');
  t.equal(lines[0], 'id,dark,red,bands');
  t.same(
    lines.slice(1).map((line) => line.split(',')[0]),
    images.entries.map(({ id }) => id),
  );
  const dark = lines.slice(1).map((line) => Number(line.split(',')[1]));
  t.equal(summary.means[0]!.mean, dark.reduce((sum, value) => sum + value, 0) / 10);
  t.equal(text('a_csv_files/failures.tsv'), 'id\timage\tcode\tmessage\r\n');
  const again = await extract('a.csv');
  t.match(again, { rows: 10, extracted: 0, imagesPerSecond: null, waitingShare: null, means: summary.means });
});

t.test('images of odd kinds give rows; what cannot be read goes to the side table', async (t) => {
  const odd = at('odd');
  mkdirSync(join(odd, 'a-folder.png'), { recursive: true });
  const flat = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#c04020' } });
  const jpeg = await sharp(join(folder, '03.png')).resize(64, 64).jpeg().toBuffer();
  writeFileSync(join(odd, 'zero.png'), '');
  writeFileSync(join(odd, 'truncated.jpg'), jpeg.subarray(0, jpeg.length / 2));
  await flat(1, 1).png().toFile(join(odd, 'one.png'));
  await flat(20_000, 20).png().toFile(join(odd, 'wide.png'));
  await flat(8, 8).toColourspace('cmyk').jpeg().toFile(join(odd, 'cmyk.jpg'));
  await flat(8, 8).toColourspace('rgb16').png().toFile(join(odd, 'sixteen.png'));
  const names = [
    'zero.png',
    'one.png',
    'a-folder.png',
    'wide.png',
    'truncated.jpg',
    'cmyk.jpg',
    'absent.png',
    'sixteen.png',
  ];
  const entries = names.map((id) => ({ id, path: join(odd, id), carried: [] }));
  const list = { carried: [], entries };
  const { rows, failures } = await extract('odd.csv', {}, {}, list);
  t.equal(rows, 4);
  t.same(
    failures.map(({ id, code, place }) => [id, code, place]),
    [
      ['zero.png', 'IMAGE', 0],
      ['a-folder.png', 'FILE_NOT_FOUND', 2],
      ['truncated.jpg', 'IMAGE', 4],
      ['absent.png', 'FILE_NOT_FOUND', 6],
    ],
  );
  t.match(
    text('odd.csv'),
    /^id,dark,red,bands\r\none\.png,.*\r\nwide\.png,.*\r\ncmyk\.jpg,.*\r\nsixteen\.png,.*\r\n$/,
  );
  const side = text('odd_csv_files/failures.tsv').split('\r\n');
  t.match(side[1], `zero.png\t${join(odd, 'zero.png')}\tIMAGE\t`);
  t.equal(side.length, 6);
  const strict = extract('strict.csv', { strict: true }, {}, list);
  await t.rejects(strict, { code: 'IMAGE', message: /zero\.png.*--strict ends the run/ });
  t.notOk(existsSync(at('strict.csv')));
  writeFileSync(join(odd, 'zero.png'), jpeg);
  rmSync(join(odd, 'a-folder.png'), { recursive: true });
  await flat(3, 3).png().toFile(join(odd, 'absent.png'));
  const mended = await extract('odd.csv', {}, {}, list);
  t.equal(mended.rows, 6, 'what failed is taken again when its file has changed or come');
  await extract('fresh.csv', {}, {}, list);
  t.equal(text('odd.csv'), text('fresh.csv'));
});

t.test('an image that the extractor refuses fails alone', async (t) => {
  const refuse = ({ width }: { width: number }) =>
    width === 12 ? new DinoSegError('SHAPE', 'too wide') : undefined;
  const { rows, failures } = await extract('refused.csv', {}, { refuse });
  t.same(
    failures.map(({ place, code }) => [place, code]),
    [
      [3, 'SHAPE'],
      [8, 'SHAPE'],
    ],
  );
  t.equal(rows, 8);
  const broken = extract('broken.csv', {}, { refuse: () => new DinoSegError('OUT_OF_MEMORY', 'none left') });
  await t.rejects(broken, { code: 'OUT_OF_MEMORY' });
});

t.test('an image whose file has changed is taken again, one that is gone keeps its row', async (t) => {
  const own = at('changing');
  const [first, second] = await writePictures(own, 8);
  const list = await imagesOfPaths([own]);
  await extract('changing.csv', {}, {}, list);
  const before = text('changing.csv');
  rmSync(second!);
  t.equal((await extract('changing.csv', {}, {}, list)).extracted, 0);
  t.equal(text('changing.csv'), before);
  await writePictures(own, 2);
  await sharp({ create: { width: 5, height: 5, channels: 3, background: 'red' } })
    .png()
    .toFile(first!);
  utimesSync(first!, 1, 1);
  t.equal((await extract('changing.csv', {}, {}, list)).extracted, 4, 'its pass alone');
  t.not(text('changing.csv'), before);
});

t.test('settings or images of another run are refused, and the difference is named', async (t) => {
  await extract('own.csv');
  const refused = (message: RegExp, extractor: PixelExtractorOptions, list = images) =>
    t.rejects(extract('own.csv', {}, extractor, list), { code: 'TABLE', message });
  await refused(/own\.csv was begun with other settings.*\n {2}settings\.model: "pixels" → "other"\n/s, {
    settings: { model: 'other' },
  });
  await refused(/passSize: 4 → 3/, { passSize: 3 });
  await refused(/inputs\.images: 10 → 9/, {}, { ...images, entries: images.entries.slice(1) });
  await refused(/inputs\.digest/, {}, { ...images, entries: images.entries.toReversed() });
  await t.rejects(extract('own.csv', { shard: { index: 1, count: 2 } }), {
    code: 'TABLE',
    message: /shard\.count: 1 → 2/,
  });
  rmSync(at('own_csv_files/resume'), { recursive: true });
  await refused(/own\.csv was begun with other settings/, { passSize: 3 });
  await refused(/is finished, but .*own_csv_files\/resume.* is missing/, {});
  rmSync(at('own_csv_files/description.json'));
  await refused(/was not made by an extraction/, {});
});

t.test('a manifest whose column is named like a feature is refused', async (t) => {
  const list = { carried: ['red'], entries: [{ id: '1', path: 'x', carried: ['y'] }] };
  await t.rejects(extract('named.csv', {}, {}, list), { code: 'MANIFEST', message: /two columns "red"/ });
});

t.test('a stop leaves what was made; going on gives the bytes of one run', async (t) => {
  const controller = new AbortController();
  const onProgress = (done: number) => done === 4 && controller.abort(new DinoSegError('ABORTED', 'enough'));
  const stopped = extract('stopped.csv', { signal: controller.signal, onProgress }, { company: true });
  await t.rejects(stopped, { code: 'ABORTED' });
  t.notOk(existsSync(at('stopped.csv')));
  const log: string[] = [];
  const { extracted } = await extract('stopped.csv', { onLog: (line) => log.push(line) }, { company: true });
  t.equal(extracted, 6);
  t.same(log, ['4 of 10 images were already done.']);
  await extract('unstopped.csv', {}, { company: true });
  t.equal(text('stopped.csv'), text('unstopped.csv'));
});

t.test('a torn or damaged journal costs the passes it concerns', async (t) => {
  await extract('torn.csv');
  const whole = text('torn.csv');
  const journal = at('torn_csv_files/resume/journal.jsonl');
  truncateSync(journal, readFileSync(journal).length - 3);
  t.equal((await extract('torn.csv')).extracted, 2);
  const bytes = readFileSync(journal);
  bytes[30]! ^= 1;
  writeFileSync(journal, bytes);
  const log: string[] = [];
  t.equal((await extract('torn.csv', { onLog: (line) => log.push(line) })).extracted, 4);
  t.match(log[0], /journal\.jsonl, line 1: the checksum does not match; its images are extracted again/);
  t.equal(text('torn.csv'), whole);
});

t.test('one process at a time writes a table; what a dead one left does not count', async (t) => {
  let second: Promise<unknown> | undefined;
  const onExtract = () => (second ??= extract('claimed.csv').catch((error: unknown) => error));
  await extract('claimed.csv', {}, { onExtract: () => void onExtract(), hold: () => second });
  t.match(await second, { code: 'TABLE', message: new RegExp(`being written by process ${process.pid}`) });
  const claim = at('claimed_csv_files/claim-0123456789abcdef');
  const { hostname } = await import('node:os');
  writeFileSync(claim, JSON.stringify({ host: hostname(), pid: process.pid, began: 'before' }));
  await extract('claimed.csv');
  t.notOk(existsSync(claim));
  writeFileSync(claim, JSON.stringify({ host: 'elsewhere', pid: 1, began: '' }));
  await t.rejects(extract('claimed.csv'), { code: 'TABLE', message: /process 1 on elsewhere.* two minutes/ });
  utimesSync(claim, 1e9, 1e9);
  await extract('claimed.csv');
  writeFileSync(claim, 'x');
  await t.rejects(extract('claimed.csv'), { code: 'TABLE', message: /cannot be read/ });
});

t.test('boxes are written as COCO JSON, pictures for as many images as asked', async (t) => {
  const coco = at('boxes.json');
  await extract('seen.csv', { coco, visualize: 3 });
  const found = JSON.parse(readFileSync(coco, 'utf8')) as {
    images: object[];
    annotations: object[];
    categories: object[];
  };
  t.equal(found.images.length, 10);
  t.match(found.images[4], { id: 5, file_name: images.entries[4]!.id, width: 13, height: 8 });
  t.match(found.annotations[0], {
    id: 1,
    image_id: 1,
    category_id: 3,
    bbox: [1, 2, 4.5, 3.5],
    area: 15.75,
    iscrowd: 0,
    score: 0.75,
  });
  t.same(found.categories, [{ id: 3, name: 'car' }]);
  const drawn = readdirSync(at('seen_csv_files/overlays')).sort();
  t.equal(drawn.length, 3);
  t.match(drawn, [/^000000-.*_00\.png$/, /^000003-/, /^000006-/]);
  rmSync(at('seen_csv_files/overlays'), { recursive: true });
  t.equal((await extract('seen.csv', { visualize: 1 })).extracted, 4, 'what is missing is drawn');
  const without = extract('unseen.csv', { visualize: 1 }, { overlay: false });
  await t.rejects(without, { code: 'INVALID_ARGUMENT', message: /leave out --visualize/ });
});

t.test('more decoding threads than Node has are refused with what to do', async (t) => {
  await t.rejects(extract('threads.csv', { threads: 5000 }), {
    code: 'INVALID_ARGUMENT',
    message: /UV_THREADPOOL_SIZE=5000/,
  });
  await t.rejects(extract('threads.csv', { threads: 0 }), { code: 'INVALID_ARGUMENT', message: /not 0/ });
});

t.test('an extractor that gives something else than its columns say is a fault of the package', async (t) => {
  const extractor = pixelExtractor();
  for (const values of [
    [1, 2],
    [1, Infinity, 3],
    [1, 2, 3.5],
  ]) {
    extractor.extract = async (given) => given.map(() => ({ values }));
    await t.rejects(extractTable(extractor, images, { output: at('odd-values.csv') }), { code: 'INTERNAL' });
  }
  extractor.extract = async () => [];
  await t.rejects(extractTable(extractor, images, { output: at('odd-values.csv') }), { code: 'INTERNAL' });
});
