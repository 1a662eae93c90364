/** Predictions of many images: some of the files, what is there already, faults of one image, and panoramas. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage, encodePng } from '../../lib/data/decode.js';
import { DinoSegError } from '../../lib/errors.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { panoramaViews, type PanoramaOptions } from '../../lib/model/panorama.js';
import { Budget } from '../../lib/data/budget.js';
import { predict } from '../../lib/predict/predict.js';
import { decodeNpy } from '../../lib/report/npy.js';
import { runCommand } from '../helpers/command-line.js';
import { writeFormulaModel } from '../helpers/network.js';
import { drawnPanorama } from '../helpers/panorama.js';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const at = (...names: string[]) => join(root, ...names);
const modelFile = await writeFormulaModel(root, 'seg-shallow');
const model = await SegmentationModel.load(modelFile, { device: 'cpu' });
const classSet = await loadClassSet('idd26');
const head = ClassHead.create({ hidden: model.hidden, classes: classSet, seed: 1 });
await head.save(at('head.safetensors'));
const pictures = await writePictures(at('in'), 5);
const common = { head, classSet, imageSize: 64 };
const names = (written: readonly { folder: string }[]) => written.map(({ folder }) => basename(folder));

t.test('some of the files', async (t) => {
  const { written } = await predict(model, pictures, { ...common, output: at('some'), files: ['colored'] });
  t.equal(written.length, 5);
  for (const { folder } of written) t.same(readdirSync(folder), ['segmentation_colored.png']);
  const flags = [
    '--model',
    modelFile,
    '--head',
    at('head.safetensors'),
    '--device',
    'cpu',
    '--image-size',
    '64',
  ];
  const run = await runCommand([
    ...[
      'predict',
      ...flags,
      '--output',
      at('by command'),
      '--files',
      'raw,statistics',
      '--no-report',
      pictures[0]!,
    ],
  ]);
  t.equal(run.code, 0, run.stderr);
  t.same(readdirSync(run.stdout.trim()).sort(), ['class_statistics.txt', 'segmentation_raw.npy']);
  const wrong = await runCommand(['predict', ...flags, '--output', at('x'), '--files', 'png', pictures[0]!]);
  t.equal(wrong.code, 2);
});

t.test('what is there with the same settings is left out', async (t) => {
  const options = { ...common, output: at('kept'), files: ['raw'] as const, skipExisting: true };
  t.match(await predict(model, pictures.slice(0, 3), options), { skipped: 0, written: { length: 3 } });
  const stampOf = (name: string) => statSync(at('kept', name, 'segmentation_raw.npy')).mtimeMs;
  const [first, ...others] = readdirSync(at('kept')).filter((name) => name.endsWith('_segmentation'));
  const before = stampOf(others[0]!);
  const progress: number[] = [];
  const second = await predict(model, pictures, { ...options, onProgress: (done) => progress.push(done) });
  t.equal(second.skipped, 3);
  t.equal(second.written.length, 2);
  t.same(progress, [4, 5]);
  t.equal(stampOf(others[0]!), before, 'it is not touched');

  await t.test(
    'a folder that is gone, an image that changed and a file that is missing are made',
    async (t) => {
      rmSync(at('kept', first!), { recursive: true });
      utimesSync(pictures[1]!, 1e9, 1e9);
      const again = await predict(model, pictures, options);
      t.same(names(again.written), [first, others[0]]);
      const more = await predict(model, pictures.slice(0, 1), { ...options, files: ['raw', 'statistics'] });
      t.equal(more.written.length, 1);
    },
  );

  await t.test('other settings are refused with what differs', async (t) => {
    await t.rejects(predict(model, pictures, { ...options, imageSize: 96 }), {
      code: 'INVALID_ARGUMENT',
      message: /was made with other settings[^]*imageSize\.width: 64 → 96[^]*--skip-existing/,
    });
    using other = ClassHead.create({ hidden: model.hidden, classes: classSet, seed: 2 });
    await t.rejects(predict(model, pictures, { ...options, head: other }), { message: /head: "/ });
  });

  await t.test('a line that a stopped process left unfinished does no harm', async (t) => {
    const file = at('kept', 'predictions.jsonl');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const isLast = (line: string) => line.includes(`"folder":"${others.at(-1)}"`);
    writeFileSync(file, lines.map((line) => (isLast(line) ? line.slice(0, -9) : line)).join('\n'));
    t.match(await predict(model, pictures, options), { skipped: 4, written: { length: 1 } });
  });
});

t.test('an image keeps its folder, and no later call takes it for another image', async (t) => {
  mkdirSync(at('more'));
  const other = at('more', basename(pictures[0]!));
  await writeFile(other, readFileSync(pictures[1]!));
  const options = { ...common, output: at('names'), files: ['raw'] as const };
  const [one] = (await predict(model, [pictures[0]!], options)).written;
  const [two] = (await predict(model, [other], options)).written;
  t.not(one!.folder, two!.folder);
  const both = await predict(model, [other, pictures[0]!], { ...options, skipExisting: true });
  t.equal(both.skipped, 2);
});

t.test('a report of other images stays', async (t) => {
  const options = {
    ...common,
    output: at('reports'),
    files: ['raw'] as const,
    report: at('reports', 'report.html'),
  };
  const all = await predict(model, pictures, options);
  t.equal(all.report, at('reports', 'report.html'));
  const page = readFileSync(all.report!, 'utf8');
  const fewer = await predict(model, pictures.slice(0, 1), options);
  t.equal(fewer.report, at('reports', 'report-2.html'));
  t.equal(readFileSync(all.report!, 'utf8'), page);
  t.equal((await predict(model, pictures, options)).report, all.report, 'the same images replace theirs');
  const none = await predict(model, pictures, { ...options, skipExisting: true });
  t.match(none, { skipped: 5, report: null });
});

t.test('names of 244 characters, and a fault of one image', async (t) => {
  const long = at(`${'n'.repeat(244)}.png`);
  await writeFile(long, await encodePng(new Uint8Array(8 * 8 * 3), 8, 8, 3));
  const options = { ...common, output: at('long'), files: ['raw'] as const };
  const { written, failed } = await predict(model, [long, pictures[0]!], options);
  t.same(failed, []);
  t.match(names(written)[0], /^n{187}-[0-9a-f]{12}_segmentation$/);

  await t.test('one that the network refuses', async (t) => {
    const { prototype } = SegmentationModel;
    const segmentBatch = Object.getOwnPropertyDescriptor(prototype, 'segmentBatch')!
      .value as typeof prototype.segmentBatch;
    t.intercept(prototype, 'segmentBatch', {
      value: async function (this: SegmentationModel, ...args: Parameters<typeof segmentBatch>) {
        if (args[0].some((image) => (image as { name?: string }).name === pictures[2]))
          throw new DinoSegError('SHAPE', 'too odd');
        return segmentBatch.apply(this, args);
      },
    });
    const found = await predict(model, pictures, { ...options, output: at('refused'), passSize: 3 });
    t.match(found.failed, [{ image: pictures[2], error: { code: 'SHAPE' } }]);
    t.equal(found.written.length, 4);
  });
});

t.test('views of panoramas are pictures of their own', async (t) => {
  const height = 64;
  const sphere = drawnPanorama(height, ([x, y, z]) => 128 + 60 * x - 30 * y + 20 * z);
  const path = at('sphere.png');
  await writeFile(path, await encodePng(sphere, 2 * height, height, 3));
  const panorama = { views: 3, degrees: 80, yaw: 30, pitch: -10, size: 40 };
  const options = { ...common, output: at('views'), panorama, files: ['raw', 'original'] as const };
  const { written, failed } = await predict(model, [path, pictures[0]!], options);
  t.same(names(written), [
    'sphere_yaw30_pitch-10_segmentation',
    'sphere_yaw150_pitch-10_segmentation',
    'sphere_yaw-90_pitch-10_segmentation',
  ]);
  t.match(written[1], { image: path, view: { yaw: 150, pitch: -10 } });
  t.equal(failed.length, 3, 'what is no panorama has no views');
  t.match(failed[0]!.error, { code: 'IMAGE', message: /twice as wide as high/ });
  const views = await panoramaViews(
    { data: sphere, width: 2 * height, height },
    { ...panorama, device: 'cpu' },
  );
  for (const [i, { folder }] of written.entries()) {
    const original = await decodeImage(join(folder, 'original.png'));
    t.same([...original.data], [...views[i]!.data]);
    const raw = decodeNpy(readFileSync(join(folder, 'segmentation_raw.npy')));
    t.same([...raw.data], [...(await model.segment(views[i]!, { head, imageSize: 64 })).data]);
  }
  t.match(await predict(model, [path], { ...options, skipExisting: true }), {
    skipped: 3,
    written: { length: 0 },
  });
  for (const [changed, message] of [
    [{ views: 0 }, /number of views/],
    [{ degrees: 180 }, /degrees of a view/],
    [{ pitch: 91 }, /pitch/],
    [{ size: 1.5 }, /size of a view/],
    [{ veiws: 2 }, /views/],
  ] as const)
    await t.rejects(predict(model, [path], { ...options, panorama: changed as PanoramaOptions }), {
      code: 'INVALID_ARGUMENT',
      message,
    });
});

t.test('room for pixels is given in order, and alone to what needs more than all of it', async (t) => {
  const budget = new Budget(10);
  const order: string[] = [];
  await budget.take(6);
  const large = budget.take(25).then(() => order.push('large'));
  await new Promise(setImmediate);
  t.same(order, [], 'it waits for the one before');
  budget.give(6);
  await large;
  const next = budget.take(1).then(() => order.push('next'));
  await new Promise(setImmediate);
  t.same(order, ['large']);
  budget.close();
  await next;
  t.same(order, ['large', 'next'], 'nobody waits for the end of work');
});
