/** Tables of features by the command line: what the networks give by themselves is in them. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decodeImage, encodePng } from '../../lib/data/decode.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { enlargement } from '../../lib/features/annotation.js';
import { countedClasses } from '../../lib/features/feature-set.js';
import type { ImagePercentages } from '../../lib/model/class-shares.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { SegmentationFeatures } from '../../lib/features/segmentation-features.js';
import { readTable } from '../../lib/features/table-reader.js';
import type { TableRow } from '../../lib/features/table.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { runCommand } from '../helpers/command-line.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const [model, detector, head] = [at('seg.pt'), at('det.pt'), at('head.safetensors')];
await initModel({ arch: 'tiny', seed: 1, out: model });
await initModel({ arch: 'tiny-detector', seed: 1, out: detector });
const segmentation = await SegmentationFeatures.open({ model, set: '230' });
const { hidden } = segmentation.model;
segmentation.dispose();
const classes = await loadClassSet('idd26');
await ClassHead.create({ hidden, classes, seed: 1 }).save(head);
const pictures = [picture(90, 70), picture(33, 120), picture(64, 64)];
const paths = pictures.map((_, i) => at(`${i}.png`));
for (const [i, { data, width, height, channels }] of pictures.entries())
  writeFileSync(paths[i]!, await encodePng(data, width, height, channels as 3));

/** Of the random detector's hundred boxes of an image some are above, some below. */
const threshold = 0.3;
const [imageSize, detectorSize] = [64, 192];
const sizes = ['--image-size', `${imageSize}`, '--detector-size', `${detectorSize}`];
const networks = ['--model', model, '--detector', detector, ...sizes, '--threshold', `${threshold}`];
const features = (output: string, ...more: string[]) =>
  runCommand(['features', ...paths, '--output', at(output), '--device', 'cpu', ...more]);

/** Values of the pictures by the networks themselves, and the boxes that were counted. */
async function expectedRows() {
  using percentages = await SegmentationFeatures.open({ model, head, imageSize });
  using objects = await DetectionModel.load(detector);
  const counted = countedClasses('36');
  const rows: { values: number[]; boxes: Awaited<ReturnType<DetectionModel['detect']>> }[] = [];
  for (const image of pictures) {
    const [{ values, unassigned }] = (await percentages.of([image])) as [ImagePercentages];
    const size = { width: detectorSize, height: detectorSize };
    const found = await objects.detect(image, { threshold, imageSize: size, top: 30 * 91 });
    const counts = counted.map(({ name }) => found.filter((box) => box.name === name).length);
    const boxes = found.filter(({ name }) => counted.some((one) => one.name === name));
    rows.push({ values: [...values, ...counts, unassigned], boxes });
  }
  const columns = [
    ...percentages.columns.map((name) => ({ name, kind: 'percent' as const })),
    ...counted.map(({ column }) => ({ name: column, kind: 'count' as const })),
    { name: 'unassigned', kind: 'percent' as const },
  ];
  return { rows, columns };
}

t.test('CSV, Parquet and COCO hold what segmentor and detector give by themselves', async (t) => {
  const { rows, columns } = await expectedRows();
  const boxes = rows.flatMap(({ boxes }) => boxes);
  t.equal(columns.length, 37);
  t.ok(boxes.length >= 3, 'the tiny detector finds some of the ten');
  const expected = rows.map(({ values }, i) => [paths[i]!, ...values]);
  for (const name of ['t.csv', 't.parquet']) {
    const more = ['--head', head, '--coco', at(`${name}.coco.json`), '--json'];
    const { code, stdout, stderr } = await features(name, ...networks, ...more);
    t.equal(code, 0, stderr);
    t.match(JSON.parse(stdout), { rows: 3, failures: [], extracted: 3 });
    const found: TableRow[] = [];
    for await (const row of readTable(at(name), [{ name: 'id', kind: 'text' }, ...columns])) found.push(row);
    t.same(found, expected, name);
    const coco = JSON.parse(readFileSync(at(`${name}.coco.json`), 'utf8')) as { annotations: object[] };
    t.match(
      coco.annotations,
      boxes.map(({ x, y, width, height, score, label }) => ({
        bbox: [x, y, width, height],
        score,
        category_id: label,
      })),
    );
    t.equal(coco.annotations.length, boxes.length);
  }
  const description = JSON.parse(readFileSync(at('t_csv_files/description.json'), 'utf8')) as object;
  t.match(description, {
    identity: {
      passSize: 1,
      settings: {
        package: String,
        segmentation: { percentages: 'idd26', soft: false, imageSize: { width: 64 }, model: { id: String } },
        detection: { detector: { id: String }, threshold, imageSize: { width: 192, height: 192 } },
      },
    },
  });
  const other = await features('t.csv', '--model', model, '--head', head, ...sizes.slice(0, 2));
  t.equal(other.code, 1);
  t.match(other.stderr, /^TABLE: .*begun with other settings/);
});

t.test('rows of a map of few classes sum to 100 with the unassigned pixels', async (t) => {
  const groups = { building: ['building', 'house'], road: ['road'] };
  writeFileSync(at('few.json'), JSON.stringify({ name: 'few', groups }));
  const { code, stderr } = await features(
    ...(['few.csv', '--model', model, '--image-size', '64', '--aggregation', at('few.json')] as const),
  );
  t.equal(code, 0, stderr);
  const [header, ...rows] = readFileSync(at('few.csv'), 'utf8').trimEnd().split('\r\n');
  t.equal(header, 'id,seg_vit_building,seg_vit_road,unassigned');
  for (const row of rows) {
    const values = row.split(',').slice(1).map(Number);
    t.ok(Math.abs(values.reduce((a, b) => a + b, 0) - 100) < 1e-9, row);
  }
});

t.test('shards of the command are merged by merge', async (t) => {
  const whole = await features('whole.csv', '--model', model, '--image-size', '64');
  t.equal(whole.code, 0, whole.stderr);
  for (const index of [1, 2]) {
    const { code, stderr } = await features(
      ...([`part-${index}.csv`, '--model', model, '--image-size', '64', '--shard', `${index}/2`] as const),
    );
    t.equal(code, 0, stderr);
  }
  const merged = await runCommand([
    'merge',
    at('part-1.csv'),
    at('part-2.csv'),
    '--output',
    at('merged.csv'),
  ]);
  t.equal(merged.code, 0, merged.stderr);
  t.match(merged.stdout, /seg_vit_building .*%\n[^]*merged\.csv: 3 rows/);
  t.equal(readFileSync(at('merged.csv'), 'utf8'), readFileSync(at('whole.csv'), 'utf8'));
});

t.test('order and names of columns, and an extended table', async (t) => {
  const flags = ['--model', model, '--image-size', '64', '--device', 'cpu', '--output', at('grown.csv')];
  const form = ['--columns', 'features-first', '--names', 'sql'];
  const run = (images: string[], ...more: string[]) => runCommand(['features', ...images, ...flags, ...more]);
  const first = await run(paths.slice(0, 2), ...form);
  t.equal(first.code, 0, first.stderr);
  const refused = await run(paths.slice(1), ...form);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /inputs\.digest.*extend the table: --extend/s);
  const extended = await run(paths.slice(1), ...form, '--extend', '--json');
  t.equal(extended.code, 0, extended.stderr);
  t.match(extended.stderr, 'Extending the table: 1 image kept, 1 new, 0 changed, 1 removed.');
  t.match(JSON.parse(extended.stdout), { rows: 2, extracted: 1, extension: { kept: 1 } });
  const [header, ...rows] = readFileSync(at('grown.csv'), 'utf8').trimEnd().split('\r\n');
  t.match(header, /^seg_vit_building,/);
  t.notMatch(header, /[^a-z0-9_,]/);
  t.equal(rows.length, 2);
  const gps = await features('gps.geojson', '--model', model, '--image-size', '64', '--gps', 'exif');
  t.equal(gps.code, 0, gps.stderr);
  t.match(readFileSync(at('gps.geojson'), 'utf8'), '"geometry":null,"properties":{"id":');
});

t.test('a picture is drawn over an image', async (t) => {
  const { code, stderr } = await features('drawn.csv', ...networks, '--head', head, '--visualize', '1');
  t.equal(code, 0, stderr);
  const [name, ...others] = readdirSync(at('drawn_csv_files/overlays'));
  t.same(others, []);
  const drawn = await decodeImage(join(at('drawn_csv_files/overlays'), name!));
  const [plain] = pictures;
  const scale = enlargement(plain!);
  t.equal(drawn.width, scale * plain!.width);
  t.ok(drawn.height > scale * plain!.height, 'with the percentages below it');
});

t.test('without a detector there are percentages alone, with set 230 all classes', async (t) => {
  await using alone = await openFeatureExtractor({ model, set: '230', imageSize });
  t.equal(alone.columns.length, 151);
  t.equal(alone.settings['detection'], null);
  await using all = await openFeatureExtractor({ model, detector, set: '230', imageSize, detectorSize });
  t.same(
    all.columns.map(({ kind }) => kind),
    [...Array<string>(150).fill('percent'), ...Array<string>(80).fill('count'), 'percent'],
  );
});

t.test(
  'a detector of another backbone is refused, and loaded with a backbone of its own on request',
  async (t) => {
    const other = at('other.pt');
    await initModel({ arch: 'tiny-detector', seed: 2, out: other });
    const options = { model, imageSize, detector: other, detectorSize };
    await t.rejects(openFeatureExtractor(options), {
      code: 'BACKBONE_MISMATCH',
      message: /values of .* differ.*--no-shared-backbone/s,
    });
    await using apart = await openFeatureExtractor({ ...options, sharedBackbone: false });
    const [found] = await apart.extract([pictures[0]!], {});
    t.equal(found!.values.length, 37);
    await using shared = await openFeatureExtractor({ model, imageSize, detector, detectorSize });
    await using own = await openFeatureExtractor({
      model,
      imageSize,
      detector,
      detectorSize,
      sharedBackbone: false,
    });
    t.same(shared.settings, own.settings, 'sharing decides no values');
    t.same(await shared.extract(pictures, {}), await own.extract(pictures, {}));
  },
);

t.test('what does not go together is refused before anything is read', async (t) => {
  for (const [flags, code, message] of [
    [['--set', '37'], 2, /--set should be one of 36, 230, not "37"/],
    [['--set', '230', '--flavour', 'ade26'], 2, /Set 230 has the 150 classes/],
    [['--threshold', '0.4'], 2, /threshold applies to counting objects, but no detector is given/],
    [['--no-shared-backbone'], 2, /no detector is given/],
    [['--coco', at('boxes.json')], 2, /--coco needs a detector/],
    [['--detector', at('none.pt'), '--detector-size', '100'], 1, /^SHAPE: .*multiples of 16/],
    [['--detector', at('none.pt')], 1, /^FILE_NOT_FOUND: .*none\.pt/],
    [['--detector', model], 1, /^MODEL_FORMAT/],
    [['--flavour', 'idd26'], 2, /need a fine-tuned head/],
  ] as const) {
    const { code: found, stderr } = await features('refused.csv', '--model', model, ...flags);
    t.equal(found, code, flags.join(' '));
    t.match(stderr, message);
  }
});
