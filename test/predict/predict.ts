import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { encodePng } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { predictionFiles } from '../../lib/report/prediction-files.js';
import { predict } from '../../lib/predict/predict.js';
import { writeFormulaModel } from '../helpers/network.js';
import { agreement, chooseSize, watchSegment } from '../helpers/passes.js';
import { picture } from '../helpers/tiny-network.js';
import { writeTree } from '../helpers/temporary.js';

const root = await writeTree(t, {
  'in/a.png': await encodePng(new Uint8Array(50 * 40 * 3).fill(90), 50, 40, 3),
  'in/broken.png': randomBytes(100),
  'in/c.jpg': await sharp({ create: { width: 33, height: 70, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer(),
});
const model = await SegmentationModel.load(await writeFormulaModel(root));
const classSet = await loadClassSet('idd26');
const head = ClassHead.create({ hidden: model.hidden, classes: classSet });

t.test('every image gets its five files; one that cannot be read does not stop the others', async (t) => {
  const output = join(root, 'out');
  const seen: number[] = [];
  const inputs = [join(root, 'in'), join(root, 'absent.png')];
  const onProgress = (done: number) => seen.push(done);
  const result = await predict(model, inputs, { head, classSet, output, imageSize: 64, onProgress });
  t.same(
    result.failed.map(({ image, error }) => [image, error.code]),
    [
      [join(root, 'in/broken.png'), 'IMAGE'],
      [join(root, 'absent.png'), 'FILE_NOT_FOUND'],
    ],
  );
  t.same(
    result.written.map(({ folder }) => folder),
    [join(output, 'a_segmentation'), join(output, 'c_segmentation')],
  );
  for (const { folder } of result.written)
    for (const name of predictionFiles) t.ok(existsSync(join(folder, name)), name);
  t.same(seen, [1, 2, 3, 4]);
  const { width, height } = await sharp(join(output, 'c_segmentation/segmentation_colored.png')).metadata();
  t.same([width, height], [33, 70], "the original's size");
  const npy = await readFile(join(output, 'c_segmentation/segmentation_raw.npy'));
  t.match(npy.toString('latin1', 0, 128), /'shape': \(70, 33\)/);
});

t.test(
  'a folder stands for all images below it, its own results apart, each in a folder of its own',
  async (t) => {
    const image = await encodePng(new Uint8Array(8 * 8 * 3).fill(90), 8, 8, 3);
    const photos = await writeTree(t, { 'x/1.png': image, 'y/1.png': image, '2.png': image });
    const output = join(photos, 'out');
    const names = ['2_segmentation', 'x_1_segmentation', 'y_1_segmentation'];
    for (const again of [false, true]) {
      const { written } = await predict(model, [photos], { head, classSet, output, imageSize: 64 });
      const folders = written.map(({ folder }) => folder);
      t.same(
        folders,
        names.map((name) => join(output, name)),
        again ? 'once more' : 'at first',
      );
    }
    const { written } = await predict(model, [join(photos, '*/1.png')], {
      head,
      classSet,
      output,
      imageSize: 64,
    });
    t.equal(written.length, 2, 'a glob');
  },
);

t.test("without a head the network's own class_embed scores, as ADE20K", async (t) => {
  const output = join(root, 'ade');
  const ade = await loadClassSet('ade150');
  const images = [join(root, 'in/a.png'), join(root, 'in/c.jpg')];
  const { written } = await predict(model, images, { classSet: ade, output, imageSize: 64 });
  t.same(
    written.map(({ folder }) => folder),
    [join(output, 'a_segmentation'), join(output, 'c_segmentation')],
  );
});

t.test('a class set of another size is refused', async (t) => {
  const wrong = predict(model, [join(root, 'in')], {
    head,
    classSet: await loadClassSet('ade150'),
    output: root,
  });
  await t.rejects(wrong, {
    code: 'HEAD_MISMATCH',
    message: /26 outputs, but the class set "ade150" has 150 classes/,
  });
  const scoring = predict(model, [join(root, 'in')], { head, classSet, output: root, scoring: 'ade20k' });
  await t.rejects(scoring, { code: 'HEAD_MISMATCH', message: /27 outputs for ade20k/ });
});

const mixed: string[] = [];
for (const [i, [width, height]] of [
  [90, 60],
  [64, 64],
  [33, 121],
  [90, 60],
  [20, 20],
  [150, 40],
  [64, 96],
].entries()) {
  const path = join(root, `in-${i}.png`);
  const { data } = picture(width!, height!);
  await writeFile(
    path,
    await encodePng(
      data.map((value) => (value * (i + 1)) & 255),
      width!,
      height!,
      3,
    ),
  );
  mixed.push(path);
}
mixed.splice(2, 0, join(root, 'in/broken.png'));

/** Class indices of each written image, without the file's header. */
async function predicted(options: {
  passSize?: number;
  mode?: 'whole' | 'slide';
  onLog?: (line: string) => void;
}) {
  const output = join(root, `mixed-${JSON.stringify(options)}`);
  const seen: number[] = [];
  const onProgress = (done: number) => seen.push(done);
  const { written, failed } = await predict(model, mixed, {
    ...{ head, classSet, output, imageSize: 64, onProgress },
    ...options,
  });
  const maps = written.map(({ folder }) => readFileSync(join(folder, 'segmentation_raw.npy')));
  return { maps, seen, images: written.map(({ image }) => image), failed: failed.map(({ image }) => image) };
}

for (const mode of ['whole', 'slide'] as const)
  t.test(
    `passes of three images of mixed sizes give the class maps of passes of one (${mode})`,
    async (t) => {
      const single = await predicted({ mode });
      const calls = watchSegment(t);
      const three = await predicted({ mode, passSize: 3 });
      t.same(
        calls,
        mode === 'whole'
          ? [
              [2, 3],
              [3, 3],
              [2, 3],
            ]
          : new Array(7).fill([1, 3]),
        'images and windows of each pass',
      );
      t.same(three.images, mixed.toSpliced(2, 1), 'in the order of the inputs');
      t.same(three.failed, [mixed[2]]);
      t.same(three.seen, [1, 2, 3, 4, 5, 6, 7, 8], 'told image by image');
      for (const [i, map] of three.maps.entries()) {
        const share = agreement(map, single.maps[i]!);
        t.ok(share > 0.999, `${three.images[i]}: ${share}`);
      }
    },
  );

t.test('images in passes that run out of memory are done in smaller ones, which is said', async (t) => {
  const expected = await predicted({ passSize: 2 });
  chooseSize(t, 8);
  const calls = watchSegment(t, 2);
  const log: string[] = [];
  const { maps, failed, seen } = await predicted({ onLog: (line) => log.push(line) });
  t.same(
    calls.map(([images]) => images),
    [7, 4, 2, 2, 2, 1],
  );
  t.match(log, [/Memory ran out with 8 images per pass; continuing with 4/, /with 4 .* with 2/]);
  t.equal(log.length, 2);
  t.same(failed, [mixed[2]]);
  t.equal(seen.length, 8);
  for (const [i, map] of maps.entries()) t.ok(agreement(map, expected.maps[i]!) > 0.999, `map ${i}`);
});

t.test('windows of one image are halved, too', async (t) => {
  chooseSize(t, 4);
  const calls = watchSegment(t, 1);
  const log: string[] = [];
  await predicted({ mode: 'slide', onLog: (line) => log.push(line) });
  const sizes = calls.map(([, passSize]) => passSize);
  t.same([...new Set(sizes)], [4, 2, 1], 'several images at a time may find out that a size is too large');
  t.equal(sizes.filter((size) => size === 1).length, mixed.length - 1);
  t.match(log, [/Memory ran out with 4 images per pass; continuing with 2/, /with 2 .* with 1/]);
  t.equal(log.length, 2);
});

t.test('a given size that does not fit is an error, and one below 1 is refused', async (t) => {
  watchSegment(t, 2);
  await t.rejects(predicted({ passSize: 4 }), { code: 'OUT_OF_MEMORY' });
  await t.rejects(predicted({ passSize: 0 }), { code: 'INVALID_ARGUMENT', message: /passSize .* not 0\./ });
});

t.test('transparent pixels have no class, and what is odd about files is told', async (t) => {
  const [width, height] = [40, 32];
  const rgba = Uint8Array.from({ length: 4 * width * height }, (_, i) =>
    i % 4 < 3 ? (i * 7919) >> 3 : (i >> 2) % width < 10 ? 0 : 255,
  );
  const raw = { raw: { width, height, channels: 4 } } as const;
  const jpeg = await sharp(rgba, raw).removeAlpha().jpeg().toBuffer();
  const photos = await writeTree(t, {
    'in/a.png': await sharp(rgba, raw).png().toBuffer(),
    'in/deep/er/b.jpg': jpeg.subarray(0, -2),
    'in/._c.jpg': 'a resource fork',
    'in/d.heic': 'no picture',
    'in/notes.txt': 'text',
  });
  const log: string[] = [];
  const output = join(photos, 'out');
  const onLog = (line: string) => log.push(line);
  const { written, failed, leftOut } = await predict(model, [join(photos, 'in')], {
    ...{ head, classSet, output, imageSize: 64, onLog, report: join(output, 'report.html') },
  });
  t.same([written.length, failed], [2, []]);
  t.same(leftOut, { endings: { '.heic': 1, '.txt': 1 }, repeated: 0 });
  t.same(log, [
    'left out: 1 .heic, 1 .txt (to convert HEIC: heif-convert photo.heic photo.jpg)',
    `${join(photos, 'in/deep/er/b.jpg')}: The end marker of the JPEG is missing; the picture is complete.`,
  ]);
  t.match(readFileSync(join(output, 'report.html'), 'utf8'), /1 \.heic, 1 \.txt/);
  const npy = await readFile(join(output, 'a_segmentation/segmentation_raw.npy'));
  const map = npy.subarray(-width * height);
  const plain = await model.segment({ data: rgba, width, height, channels: 4 }, { head, imageSize: 64 });
  t.same(
    [...map],
    Array.from(plain.data, (index, i) => (i % width < 10 ? 255 : index)),
  );
  const statistics = readFileSync(join(output, 'a_segmentation/class_statistics.txt'), 'utf8');
  t.match(statistics, /255 +\(no class\) +320 +25\.00/);
});
