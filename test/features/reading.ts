/** Images that are counted at another size, and panoramas, as tables of features. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { decodeImage, encodePng } from '../../lib/data/decode.js';
import { decodeReduced } from '../../lib/data/decode-reduced.js';
import { extractTable } from '../../lib/features/extract-table.js';
import { resizedBoxes } from '../../lib/features/extraction-pass.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { listPanoramaViews } from '../../lib/features/reading.js';
import { readTable } from '../../lib/features/table-reader.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { initModel } from '../../lib/model/init-model.js';
import { panoramaViews } from '../../lib/model/panorama.js';
import { runCommand } from '../helpers/command-line.js';
import { drawnPanorama } from '../helpers/panorama.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const [model, detector] = [at('seg.pt'), at('det.pt')];
await initModel({ arch: 'tiny', seed: 1, out: model });
await initModel({ arch: 'tiny-detector', seed: 1, out: detector });
const networks = { model, imageSize: 64, device: 'cpu' };
const counts = { detector, detectorSize: 192, threshold: 0.3 };

/** 200×150, lossless and as a JPEG that lies on its side. */
const { data } = picture(200, 150);
await writeFile(at('large.png'), await encodePng(data, 200, 150, 3));
await writeFile(
  at('turned.jpg'),
  await sharp(data, { raw: { width: 200, height: 150, channels: 3 } })
    .jpeg()
    .withMetadata({ orientation: 6 })
    .toBuffer(),
);
const transparent = sharp(data, { raw: { width: 200, height: 150, channels: 3 } }).ensureAlpha(0.5);
await writeFile(at('transparent.png'), await transparent.png().toBuffer());

const height = 64;
const sphere = drawnPanorama(height, ([x, y, z]) => 128 + 60 * x * y - 50 * y + 40 * z * x);
await writeFile(at('sphere.png'), await encodePng(sphere, 2 * height, height, 3));

t.test('an image is decoded at the size that is wanted', async (t) => {
  const reduced = await decodeReduced(at('large.png'), 100 * 75);
  t.match(reduced, { width: 100, height: 75, full: { width: 200, height: 150 } });
  const sums = { reduced: 0, whole: 0 };
  for (const value of reduced.data) sums.reduced += value / reduced.data.length;
  for (const value of data) sums.whole += value / data.length;
  t.ok(Math.abs(sums.reduced - sums.whole) < 1, 'it is the same picture');
  const turned = await decodeReduced(at('turned.jpg'), 75 * 100);
  t.match(turned, { width: 75, height: 100, full: { width: 150, height: 200 } }, 'as it is shown');
  for (const [name, pixels] of [
    ['large.png', 200 * 150],
    ['transparent.png', 200 * 150],
  ] as const) {
    const same = await decodeReduced(at(name), pixels);
    t.ok(Buffer.from(same.data).equals((await decodeImage(at(name))).data), `${name} is as it was`);
    t.same(same.full, { width: 200, height: 150 });
  }
  await t.rejects(decodeReduced(at('absent.png'), 100), { code: 'FILE_NOT_FOUND' });
  await writeFile(at('cut.jpg'), (await readFile(at('turned.jpg'))).subarray(0, 2000));
  await t.rejects(decodeReduced(at('cut.jpg'), 100), { code: 'IMAGE' });
});

t.test('pixels are counted at the size that is chosen, boxes are those of the image', async (t) => {
  await using whole = await openFeatureExtractor({ ...networks, ...counts });
  const images = await imagesOfPaths([at('large.png')]);
  const valuesOf = async (options: { countSize?: number }) => {
    await using extractor = await openFeatureExtractor({ ...networks, ...counts, ...options });
    const coco = at('boxes.json');
    const output = at(`counted-${options.countSize}.csv`);
    await extractTable(extractor, images, { output, coco, visualize: 1 });
    const rows = [];
    for await (const row of readTable(output, [{ name: 'id', kind: 'text' }, ...extractor.columns]))
      rows.push(row.slice(1));
    return { values: rows[0], coco: JSON.parse(await readFile(coco, 'utf8')) as Coco };
  };
  const reduced = await decodeReduced(at('large.png'), 7500);
  const small = await valuesOf({ countSize: 0.0075 });
  const [alone] = await whole.extract([reduced], {});
  t.same(small.values, alone!.values);
  t.match(small.coco.images, [{ width: 200, height: 150 }]);
  const expected = resizedBoxes(alone!.detections!, reduced, { width: 200, height: 150 });
  t.ok(expected.length > 0 && Math.abs(expected[0]!.width - 2 * alone!.detections![0]!.width) < 1e-9);
  t.same(
    small.coco.annotations.map(({ bbox }) => bbox),
    expected.map(({ x, y, width, height }) => [x, y, width, height]),
  );
  const [own] = await whole.extract([await decodeImage(at('large.png'))], {});
  t.same((await valuesOf({})).values, own!.values, 'up to 4 megapixels it is the image itself');
  for (const countSize of [0, -1, NaN])
    await t.rejects(openFeatureExtractor({ ...networks, countSize }), { code: 'INVALID_ARGUMENT' });
});

interface Coco {
  images: { width: number; height: number }[];
  annotations: { bbox: number[] }[];
}

const panorama = { views: 3, degrees: 80, yaw: 20, pitch: -5, size: 48 };
const views = () =>
  panoramaViews({ data: sphere, width: 2 * height, height }, { ...panorama, device: 'cpu' });

t.test('a row for each view of a panorama', async (t) => {
  const { rows, ids } = await rowsOf({ panorama, ...counts }, 'views.csv');
  await using plain = await openFeatureExtractor({ ...networks, ...counts });
  const expected = await Promise.all((await views()).map((view) => plain.extract([view], {})));
  t.same(
    ids.map((id) => id.split('#')[1]),
    ['yaw20_pitch-5', 'yaw140_pitch-5', 'yaw-100_pitch-5'],
  );
  t.same(
    rows,
    expected.map(([one]) => one!.values),
  );
});

t.test('one row with the means of percentages and the sums of counts', async (t) => {
  const each = await rowsOf({ panorama, ...counts }, 'each.csv');
  const { rows, ids, columns } = await rowsOf({ panorama, panoramaRows: 'mean', ...counts }, 'mean.csv');
  t.same(ids, [at('sphere.png')]);
  for (const [i, { name, kind }] of columns.entries()) {
    const sum = each.rows.reduce((total, row) => total + Number(row[i]), 0);
    const expected = kind === 'percent' ? sum / 3 : sum;
    if (Math.abs(Number(rows[0]![i]) - expected) > 1e-9) t.fail(`${name}: ${rows[0]![i]}, not ${expected}`);
  }
  t.ok(
    columns.some(({ kind }, i) => kind === 'count' && Number(rows[0]![i]) > 0),
    'something was counted',
  );
});

async function rowsOf(
  options: Partial<Parameters<typeof openFeatureExtractor>[0]>,
  name: string,
): Promise<{ rows: unknown[][]; ids: string[]; columns: readonly { name: string; kind: string }[] }> {
  await using extractor = await openFeatureExtractor({ ...networks, ...options });
  const given = await imagesOfPaths([at('sphere.png')]);
  const images = options.panoramaRows === 'mean' ? given : listPanoramaViews(given, panorama);
  const summary = await extractTable(extractor, images, { output: at(name) });
  t.same(summary.failures, []);
  t.equal(summary.flagged.duplicate, 0, 'views of one file differ');
  const rows: unknown[][] = [];
  const ids: string[] = [];
  for await (const [id, ...values] of readTable(at(name), [
    { name: 'id', kind: 'text' },
    ...extractor.columns,
  ])) {
    ids.push(String(id));
    rows.push(values);
  }
  return { rows, ids, columns: extractor.columns };
}

t.test('by the command', async (t) => {
  const flags = ['features', '--model', model, '--image-size', '64', '--device', 'cpu'];
  const how = ['--panorama', '--panorama-views', '2', '--panorama-size', '32', '--panorama-yaw=-90'];
  const table = at('command.csv');
  const made = await runCommand([...flags, ...how, '--output', table, at('sphere.png'), at('large.png')]);
  t.equal(made.code, 0, made.stderr);
  t.match(made.stderr, /2 images failed/, 'a picture that is no panorama fails');
  const lines = (await readFile(table, 'utf8')).trim().split('\n');
  t.equal(lines.length, 3);
  t.match(lines[1], /sphere\.png#yaw-90_pitch0,/);
  const mean = ['--panorama-rows', 'mean', '--output', at('mean-command.csv')];
  t.equal((await runCommand([...flags, ...how, ...mean, at('sphere.png')])).code, 0);
  for (const [wrong, message] of [
    [['--panorama-views', '2'], /--panorama-views needs --panorama/],
    [['--panorama-rows', 'mean'], /--panorama-rows needs --panorama/],
    [
      ['--panorama', '--panorama-rows', 'mean', '--detector', detector, '--coco', at('c.json')],
      /--coco needs a row/,
    ],
    [['--count-size', '0'], /--count-size/],
  ] as const) {
    const { code, stderr } = await runCommand([
      ...flags,
      ...wrong,
      '--output',
      at('x.csv'),
      at('sphere.png'),
    ]);
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
});
