/** What marks images that may be no photographs of a street, and tables without them. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { extractTable, type ExtractTableOptions } from '../../lib/features/extract-table.js';
import { mergeTables } from '../../lib/features/merge-tables.js';
import { flagsOf, qualityLimits, qualityOf } from '../../lib/features/quality.js';
import { filesOf } from '../../lib/features/table-files.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { pixelExtractor } from '../helpers/pixel-extractor.mjs';
import { createRandom } from '../helpers/random-values.js';

const root = t.testdir();
const folder = join(root, 'in');
const at = (name: string) => join(root, name);

/** A street: sky, houses and road, with the noise of a camera. */
function scene(seed: number, width = 160, height = 120): Uint8Array {
  const random = createRandom(seed);
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const base = y < height / 3 ? 200 : y < (2 * height) / 3 ? ((x >> 3) * 37 + seed * 50) % 160 : 90;
    return Math.max(0, Math.min(255, base + 40 * (random() - 0.5) + 10 * (i % 3)));
  });
}

const [width, height] = [160, 120];
const rgb = (data: Uint8Array, size = { width, height }) => sharp(data, { raw: { ...size, channels: 3 } });

/** `hides`: whether a pixel is transparent. */
function withHoles(data: Uint8Array, hides: (x: number, y: number) => boolean) {
  const rgba = Uint8Array.from({ length: 4 * width * height }, (_, i) => {
    const [pixel, channel] = [i >> 2, i & 3];
    if (channel < 3) return data[3 * pixel + channel]!;
    return hides(pixel % width, Math.floor(pixel / width)) ? 0 : 255;
  });
  return sharp(rgba, { raw: { width, height, channels: 4 } });
}

mkdirSync(folder);
const street = await rgb(scene(1)).jpeg().toBuffer();
const card =
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="160" height="120" fill="#e4e2de"/>` +
  '<path d="M30 58h100v3H30z" fill="#777"/></svg>';
const circle = (x: number, y: number) => Math.hypot(x - width / 2, y - height / 2) > height / 2;
const files: Record<string, Buffer> = {
  '0-street.jpg': street,
  '1-card.jpg': await sharp(Buffer.from(card)).jpeg().toBuffer(),
  '2-fisheye.png': await withHoles(scene(2), circle).png().toBuffer(),
  '3-hidden.png': await withHoles(scene(3), (x) => x >= width / 3)
    .png()
    .toBuffer(),
  '4-small.jpg': await rgb(scene(4, 90, 63), { width: 90, height: 63 })
    .jpeg()
    .toBuffer(),
  '5-copy.jpeg': street,
  '6-blank.png': await withHoles(scene(5), () => true)
    .png()
    .toBuffer(),
  '7-street.jpg': await rgb(scene(6)).jpeg().toBuffer(),
  '8-no-end.jpg': (await rgb(scene(7)).jpeg().toBuffer()).subarray(0, -2),
  '9-copy.jpg': street,
};
for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
writeFileSync(join(folder, 'damaged.jpg'), street.subarray(0, 300));
const images = await imagesOfPaths([folder]);

const extract = (output: string, options: Partial<ExtractTableOptions> = {}, list = images) =>
  extractTable(pixelExtractor({}), list, { output: at(output), ...options });

/** Cells of a list by file name. */
function listOf(output: string): Map<string, string[]> {
  const [, ...lines] = readFileSync(filesOf(at(output)).quality, 'utf8')
    .trimEnd()
    .split('\r\n');
  return new Map(
    lines.map((line) => line.split('\t')).map((cells) => [cells[0]!.slice(folder.length + 1), cells]),
  );
}

const expected: Record<string, string> = {
  '0-street.jpg': '',
  '1-card.jpg': 'uniform',
  '2-fisheye.png': '',
  '3-hidden.png': 'transparent',
  '4-small.jpg': 'tiny',
  '5-copy.jpeg': 'duplicate',
  '6-blank.png': 'transparent',
  '7-street.jpg': '',
  '8-no-end.jpg': '',
  '9-copy.jpg': 'duplicate',
};
const good = Object.keys(expected).filter((name) => expected[name] === '');

t.test('marks are listed beside the table, which keeps its rows', async (t) => {
  const log: string[] = [];
  const { rows, failures, flagged, dropped } = await extract('t.csv', { onLog: (line) => log.push(line) });
  t.same([rows, failures.length, dropped], [10, 1, 0]);
  t.same(flagged, { tiny: 1, uniform: 1, transparent: 2, duplicate: 2 });
  const list = listOf('t.csv');
  t.same(Object.fromEntries([...list].map(([name, cells]) => [name, cells[2]])), expected);
  t.same(list.get('9-copy.jpg')!.slice(3, 7), [join(folder, '0-street.jpg'), '', '160', '120']);
  const hidden = Number(list.get('2-fisheye.png')![7]);
  const outside = Array.from({ length: width * height }, (_, i) => circle(i % width, Math.floor(i / width)));
  t.equal(hidden, (100 * outside.filter(Boolean).length) / outside.length);
  t.match(list.get('8-no-end.jpg')![10], /end marker/);
  t.same(
    log.filter((line) => line.includes('end marker')).map((line) => line.split(':')[0]),
    [join(folder, '8-no-end.jpg')],
  );
  const page = readFileSync(filesOf(at('t.csv')).report, 'utf8');
  t.match(page, /Marked images/);
  t.match(page, /6 images may be no photograph of a street: 1 tiny, 1 uniform, 2 transparent, 2 duplicate/);
  const description = JSON.parse(readFileSync(filesOf(at('t.csv')).description, 'utf8')) as object;
  t.match(description, { flagged, dropped: 0, leftOut: { endings: {}, repeated: 0 } });
});

t.test('marked images have no row on request, in shards as in one run', async (t) => {
  const dropFlagged = true;
  const { rows, dropped, failures } = await extract('d.csv', { dropFlagged });
  t.same([rows, dropped, failures.length], [4, 6, 1]);
  const text = readFileSync(at('d.csv'), 'utf8');
  const ids = text.trimEnd().split('\r\n').slice(1);
  t.same(
    ids.map((line) => line.split(',')[0]!.slice(folder.length + 1)),
    good,
  );
  t.match(readFileSync(filesOf(at('d.csv')).report, 'utf8'), /They have no row/);
  for (const index of [1, 2, 3]) await extract(`d-${index}.csv`, { dropFlagged, shard: { index, count: 3 } });
  await mergeTables(
    [1, 2, 3].map((index) => at(`d-${index}.csv`)),
    at('merged.csv'),
  );
  t.equal(readFileSync(at('merged.csv'), 'utf8'), text, 'copies in other shards too');
  const bytes = (output: string) => readFileSync(filesOf(at(output)).quality, 'utf8');
  t.equal(bytes('merged.csv'), bytes('d.csv'));
  await t.rejects(extract('d.csv'), { code: 'TABLE', message: /dropFlagged/ });
  const again = await extract('d.csv', { dropFlagged });
  t.match(again, { rows: 4, dropped: 6, extracted: 0, flagged: { duplicate: 2 } }, 'from the journal');
});

t.test('a table that is extended marks and drops what a new one would', async (t) => {
  const grown = join(root, 'grown');
  const put = (name: string, bytes: Buffer) => writeFileSync(join(grown, name), bytes);
  const make = async (output: string, options: Partial<ExtractTableOptions>) =>
    extractTable(pixelExtractor({ passSize: 1 }), await imagesOfPaths([grown]), {
      ...{ output: at(output), ...options },
    });
  const bytesOf = (output: string) =>
    [at(output), filesOf(at(output)).quality, filesOf(at(output)).failures].map((path) =>
      readFileSync(path, 'utf8'),
    );
  mkdirSync(grown);
  for (const name of ['1-card.jpg', '3-hidden.png', '7-street.jpg', '8-no-end.jpg', '9-copy.jpg'])
    put(name, files[name]!);
  await make('g.csv', { dropFlagged: true });
  await make('h.csv', {});
  // An earlier copy of a kept image, a later one, one that stands alone from now on, and what a mark was of.
  put('0-street.jpg', street);
  put('99-copy.jpg', files['7-street.jpg']!);
  put('4-small.jpg', files['4-small.jpg']!);
  put('8-no-end.jpg', files['2-fisheye.png']!);
  rmSync(join(grown, '1-card.jpg'));
  const { extension, dropped } = await make('g.csv', { dropFlagged: true, extend: true });
  t.match(extension, { added: 3, changed: 1, removed: 1 });
  t.equal(dropped, 4, 'hidden, small, and two copies');
  await make('fresh.csv', { dropFlagged: true });
  t.same(bytesOf('g.csv'), bytesOf('fresh.csv'));
  const { extracted } = await make('h.csv', { dropFlagged: true, extend: true });
  t.equal(extracted, 4, 'rows of a table with all images are kept, too');
  t.same(bytesOf('h.csv'), bytesOf('fresh.csv'));
  await make('h.csv', { extend: true });
  await make('all.csv', {});
  t.same(bytesOf('h.csv'), bytesOf('all.csv'), 'and back');
});

t.test('boxes of images without a row are not written', async (t) => {
  await extract('c.csv', { dropFlagged: true, coco: at('c.json') });
  const { images: written } = JSON.parse(readFileSync(at('c.json'), 'utf8')) as {
    images: { file_name: string }[];
  };
  t.same(
    written.map(({ file_name }) => file_name.slice(folder.length + 1)),
    good,
  );
});

t.test('shards without a list, as of earlier releases, still merge', async (t) => {
  for (const index of [1, 2]) {
    await extract(`e-${index}.csv`, { shard: { index, count: 2 } });
    rmSync(filesOf(at(`e-${index}.csv`)).quality);
  }
  const { rows } = await mergeTables([at('e-1.csv'), at('e-2.csv')], at('e.csv'));
  t.equal(rows, 10);
  t.notOk(existsSync(filesOf(at('e.csv')).quality));
});

t.test('limits are inclusive, and colours near the commonest count', async (t) => {
  const flat = (share: number, other: number) => {
    const data = new Uint8Array(100 * 100 * 3).fill(127);
    for (let i = 0; i < data.length; i++) if (i >= share * data.length) data[i] = other;
    return qualityOf({ data, width: 100, height: 100 });
  };
  const size = { width: 100, height: 100 };
  t.same(flagsOf(flat(0.9, 0), size), ['uniform']);
  t.same(flagsOf(flat(0.89, 0), size), []);
  t.equal(flat(0.5, 130).uniform, 100, 'in the next box of colours');
  t.same(flagsOf({ ...flat(0.5, 0), transparent: qualityLimits.transparent }, size), ['transparent']);
  t.same(flagsOf(flat(0.5, 0), { width: 64, height: 63 }), ['tiny']);
  t.same(flagsOf(flat(0.5, 0), { width: 64, height: 64 }), []);
});
