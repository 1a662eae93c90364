/** The report beside a table of features. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decodeImage, type RgbImage } from '../../lib/data/decode.js';
import { Distributions } from '../../lib/features/distributions.js';
import { extractTable } from '../../lib/features/extract-table.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { mergeTables } from '../../lib/features/merge-tables.js';
import { pixelExtractor } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const paths = await writePictures(at('in'), 11);
writeFileSync(at('in/zz<i>.png'), 'no image');
const images = await imagesOfPaths([at('in')]);
const page = (name: string) => readFileSync(at(name), 'utf8');

t.test('values are counted by ranges whose ends belong to them', async (t) => {
  const spread = new Distributions([
    { name: 'share', kind: 'percent' },
    { name: 'cars', kind: 'count' },
  ]);
  for (const [share, cars] of [
    [0, 0],
    [0.5, 1],
    [1, 2],
    [1.01, 3],
    [50, 4],
    [100, 21],
  ])
    spread.add((column) => [share!, cars!][column]!);
  const [share, cars] = spread.result();
  t.match(share, { mean: 152.51 / 6, least: 0, most: 100, above: 5, bars: [1, 2, 1, 0, 0, 0, 1, 1] });
  t.same(share!.labels.slice(0, 3), ['0 %', 'above 0 to 1 %', 'above 1 to 2 %']);
  t.match(cars, { most: 21, above: 5, bars: [1, 1, 1, 1, 1, 0, 0, 1] });
  t.same(cars!.labels, ['0', '1', '2', '3', '4 to 5', '6 to 10', '11 to 20', 'above 20']);
  t.match(new Distributions([{ name: 'a', kind: 'count' }]).result(), [
    { mean: null, least: null, most: null, above: 0 },
  ]);
});

t.test('it has each feature, some of the images and those without a row', async (t) => {
  const { report, rows, means } = await extractTable(pixelExtractor({}), images, { output: at('t.csv') });
  t.same([report, rows], [at('t_csv_files/report.html'), 11]);
  const text = page('t_csv_files/report.html');
  for (const { name, mean } of means)
    t.match(
      text,
      new RegExp(`<th scope="row">${name}</th><td>[^<]+</td><td class="number" data-sort="${mean}"`),
    );
  const [examples, marked] = [...text.matchAll(/class="examples-section".*?<\/section>/gs)].map(
    ([section]) => section,
  );
  t.equal([...examples!.matchAll(/<article data-name/g)].length, 8);
  t.match(marked, /11 images may be no photograph of a street: 11 tiny/);
  t.match(text, /zz&lt;i&gt;\.png<\/th><td>IMAGE</);
  const [, base64] = /data-role="photo"[^>]*><img src="data:image\/webp;base64,([^"]+)"/.exec(text)!;
  const [shown, first] = [await decodeImage(Buffer.from(base64!, 'base64')), await decodeImage(paths[0]!)];
  t.same([shown.width, shown.height], [first.width, first.height]);
});

t.test('it says what this run did and what earlier ones had done', async (t) => {
  const rows = (name: string) =>
    [...page(name).matchAll(/<tr><th scope="row">(This run|From earlier runs)<\/th><td>([^<]+)</g)].map(
      ([, title, text]) => [title, text!.replace(/^.*? for /, '')],
    );
  t.same(rows('t_csv_files/report.html'), [['This run', '12 images']], 'a fresh run has no others');
  await extractTable(pixelExtractor({}), images, { output: at('t.csv') });
  t.same(rows('t_csv_files/report.html'), [['From earlier runs', '12 images']], 'nothing was left');
  const controller = new AbortController();
  const stopped = extractTable(pixelExtractor({}), images, {
    ...{ output: at('s.csv'), signal: controller.signal },
    onProgress: (done) => done > 0 && controller.abort(),
  });
  await t.rejects(stopped);
  await extractTable(pixelExtractor({}), images, { output: at('s.csv') });
  t.same(rows('s_csv_files/report.html'), [
    ['This run', '8 images'],
    ['From earlier runs', '4 images'],
  ]);
  const one = await imagesOfPaths(paths.slice(0, 1));
  await extractTable(pixelExtractor({}), one, { output: at('one.csv') });
  t.same(rows('one_csv_files/report.html'), [['This run', '1 image']]);
  t.match(page('one_csv_files/report.html'), /<h1>3 features of 1 image<\/h1>/);
  const none = await imagesOfPaths([at('in/zz<i>.png')]);
  await extractTable(pixelExtractor({}), none, { output: at('none.csv') });
  t.match(page('none_csv_files/report.html'), /<h1>3 features of 0 images<\/h1>/);
  const shown = page('none_csv_files/report.html').replace(/<(script|style)>.*?<\/\1>/gs, '');
  t.notMatch(shown, /examples-section|NaN|Infinity/);
});

t.test('pictures come before the table, and extremes are named as such', async (t) => {
  const text = page('t_csv_files/report.html');
  const kinds = [...text.matchAll(/<section id="s\d" class="(\w+)-section"/g)].map(([, kind]) => kind);
  t.same(kinds.slice(0, 3), ['figures', 'examples', 'table']);
  t.match(text, />Min<\/th>.*>Max<\/th>/);
  const plain = { ...pixelExtractor({}), overlay: async (image: RgbImage) => image };
  await extractTable(plain, images, { output: at('plain.csv') });
  t.notMatch(page('plain_csv_files/report.html'), /data-role="picture"/, 'nothing was drawn');
});

t.test('a merged table has one, too, without images', async (t) => {
  for (const index of [1, 2])
    await extractTable(pixelExtractor({}), images, {
      output: at(`${index}.csv`),
      shard: { index, count: 2 },
    });
  t.match(page('1_csv_files/report.html'), /1\.csv, part 1 of 2\./);
  const { report } = await mergeTables([at('1.csv'), at('2.csv')], at('merged.csv'));
  t.equal(report, at('merged_csv_files/report.html'));
  const text = page('merged_csv_files/report.html');
  t.notMatch(text, />Examples</);
  const features = (each: string) =>
    /<table class="sortable"><thead><tr><th scope="col" class="">Feature<.*?<\/table>/s.exec(each)![0];
  t.equal(features(text), features(page('t_csv_files/report.html')));
  t.notMatch(text, /This run|earlier runs/);
});

t.test('a table is there where its report cannot be written', async (t) => {
  mkdirSync(at('u_csv_files/report.html/below'), { recursive: true });
  const { report, reportError, rows } = await extractTable(pixelExtractor({}), images, {
    output: at('u.csv'),
  });
  t.same([report, rows], [null, 11]);
  t.match(reportError, { code: 'IO', message: /u_csv_files\/report\.html could not be written/ });
  t.equal(page('u.csv'), page('t.csv'));
});

t.test('an image that is gone since is left out of the pictures', async (t) => {
  const few = await imagesOfPaths(paths.slice(0, 2));
  const copy = {
    ...few,
    entries: few.entries.map((entry, i) => (i === 0 ? { ...entry, path: at('gone.png') } : entry)),
  };
  writeFileSync(at('gone.png'), readFileSync(paths[0]!));
  await extractTable(pixelExtractor({}), copy, { output: at('g.csv') });
  t.equal(
    [...page('g_csv_files/report.html').matchAll(/<article/g)].length,
    4,
    'once each as an example and as tiny',
  );
  rmSync(at('gone.png'));
  const { rows, reportError } = await extractTable(pixelExtractor({}), copy, { output: at('g.csv') });
  t.same([rows, reportError], [2, undefined]);
  t.equal([...page('g_csv_files/report.html').matchAll(/<article/g)].length, 2);
});
