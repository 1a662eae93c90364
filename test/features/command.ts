/** The commands features and merge, with real networks that share a backbone. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage, encodePng } from '../../lib/data/decode.js';
import { drawScene } from '../../lib/demo/scenes.js';
import { countedClasses } from '../../lib/features/feature-set.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { SegmentationFeatures } from '../../lib/features/segmentation-features.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { runCommand } from '../helpers/command-line.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const [model, detector] = [at('segmentor.pt'), at('detector.pt')];
await initModel({ arch: 'tiny', seed: 1, out: model });
await initModel({ arch: 'tiny-detector', seed: 1, out: detector });
const images: string[] = [];
for (let index = 0; index < 3; index++) {
  const { image } = await drawScene({ seed: 1, index, width: 120, height: 80 });
  images.push(at(`${index}.png`));
  await writeFile(images[index]!, await encodePng(image.data, image.width, image.height, 3));
}
const head = at('head.safetensors');
{
  using network = await SegmentationModel.load(model);
  const classes = await loadClassSet('idd26');
  await ClassHead.create({ hidden: network.hidden, classes, precision: 'float32', seed: 1 }).save(head);
}
// A random detector finds little: at this score some boxes count.
const threshold = 0.3;
const flags = ['--model', model, '--head', head, '--detector', detector, '--threshold', `${threshold}`];
const place = ['--image-size', '64', '--device', 'cpu'];

t.test('a table holds the percentages and counts of the networks', async (t) => {
  const output = ['--output', at('T.csv'), '--coco', at('boxes.json'), '--visualize', '1'];
  const { code, stderr, stdout } = await runCommand([
    'features',
    ...flags,
    ...place,
    ...output,
    '--json',
    ...images,
  ]);
  t.equal(code, 0, stderr);
  t.match(JSON.parse(stdout), { rows: 3, failures: [] });
  const [header, ...rows] = readFileSync(at('T.csv'), 'utf8')
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.split(','));
  using percentages = await SegmentationFeatures.open({ model, head, imageSize: 64 });
  using found = await DetectionModel.load(detector);
  const counted = countedClasses('36');
  t.equal(percentages.columns.length + counted.length, 36);
  t.same(header!.slice(-36), [...percentages.columns, ...counted.map(({ column }) => column)]);
  let boxes = 0;
  for (const [i, path] of images.entries()) {
    const image = await decodeImage(path);
    const [shares] = await percentages.of([image]);
    const options = { threshold, imageSize: { width: 768, height: 768 }, top: 300 };
    const objects = await found.detect(path, options);
    const counts = counted.map(({ label }) => objects.filter((each) => each.label === label).length);
    boxes += counts.reduce((sum, count) => sum + count, 0);
    t.same(rows[i]!.slice(-36).map(Number), [...shares!.values, ...counts], path);
  }
  t.ok(boxes > 0, 'some objects count');
  const coco = JSON.parse(readFileSync(at('boxes.json'), 'utf8')) as { annotations: unknown[] };
  t.equal(coco.annotations.length, boxes);
  t.ok(existsSync(at('T.csv.overlays')), 'a picture was drawn');
});

t.test('parts of a table, merged, are the whole', async (t) => {
  const parts = [1, 2].map((i) => at(`part${i}.csv`));
  for (const [i, output] of parts.entries()) {
    const shard = ['--shard', `${i + 1}/2`, '--output', output];
    const { code, stderr } = await runCommand(['features', ...flags, ...place, ...shard, ...images]);
    t.equal(code, 0, stderr);
  }
  const { code, stderr } = await runCommand(['merge', '--output', at('merged.csv'), ...parts]);
  t.equal(code, 0, stderr);
  t.equal(readFileSync(at('merged.csv'), 'utf8'), readFileSync(at('T.csv'), 'utf8'));
});

t.test('the backbone is in memory once, and another one is refused', async (t) => {
  await using extractor = await openFeatureExtractor({
    model,
    detector,
    set: '230',
    device: 'cpu',
    imageSize: 64,
  });
  t.equal(extractor.columns.length, 230);
  const other = at('other.pt');
  await initModel({ arch: 'tiny-detector', seed: 2, out: other });
  await t.rejects(openFeatureExtractor({ model, detector: other, device: 'cpu' }), {
    code: 'BACKBONE_MISMATCH',
  });
});

t.test('a detector of other classes and a threshold without a detector are refused', async (t) => {
  await t.rejects(openFeatureExtractor({ model, threshold: 0.5, device: 'cpu' }), {
    code: 'INVALID_ARGUMENT',
  });
  const { code, stderr } = await runCommand([
    'features',
    '--model',
    model,
    '--output',
    at('no.csv'),
    '--set',
    '7',
  ]);
  t.equal(code, 2);
  t.match(stderr, /--set/);
});
