/** Mean and standard deviation of a network's images: stored in its file, and used by whatever reads images for it. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cacheId, cacheKey } from '../../lib/cache/key.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage } from '../../lib/data/decode.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert, exportModel, inspect } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { normalizations } from '../../lib/model/normalization.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { Normalization, RawImage } from '../../lib/native/bindings/engine.js';
import { train } from '../../lib/train/loop.js';
import { viewSettings } from '../../lib/cache/views.js';
import { close } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { cacheSource, fill, readRecords } from '../helpers/tiny-cache.js';
import { readMetrics, tinySettings } from '../helpers/tiny-run.js';
import { entriesOf, zipOf } from '../helpers/zip.js';

const root = t.testdir();
const { model: lvdPath, ...settings } = await tinySettings(root);
const checkpoints = await writeFormulaCheckpoints(root, 'seg-shallow');
const satPath = join(root, 'sat.pt');
await convert({ ...checkpoints, out: satPath, normalization: 'sat' });
const image = {
  data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) >> 3),
  width: 64,
  height: 64,
};

/** (pixel/255 − mean)/std by hand, of an image that needs no resizing. */
function normalised({ data, width, height }: RawImage, { mean, std }: Normalization): Tensor {
  const plane = width * height;
  const values = Float32Array.from({ length: 3 * plane }, (_, i) => {
    const channel = Math.floor(i / plane);
    return (data[(i % plane) * 3 + channel]! / 255 - mean[channel]!) / std[channel]!;
  });
  return Tensor.from(values, [1, 3, height, width]);
}

t.test('a network says what its images are normalised with, and its file keeps it', async (t) => {
  const { lvd, sat } = normalizations;
  using plain = await SegmentationModel.load(lvdPath);
  t.same(plain.normalization, lvd);
  using model = await SegmentationModel.load(satPath);
  t.same(model.normalization, sat);
  t.not(model.id, plain.id, 'it is another network');
  const staged = await engine().loadStaged(satPath, 'cpu');
  t.same(engine().modelInfo(staged!).normalization, sat, 'as GPUs load it');
  engine().dispose(staged!);
  t.same((await inspect(satPath)).normalization, sat);
  const shown = await runCommand(['inspect', satPath]);
  t.match(shown.stdout, 'normalization: mean 0.43, 0.411, 0.296, std 0.213, 0.156, 0.143 (SAT)');

  const values: Normalization = { mean: [0.1, -0.25, 1e-3], std: [1, 0.123456789012, 12] };
  const own = join(root, 'own.pt');
  await convert({ ...checkpoints, out: own, normalization: values });
  t.same(await engine().recordedNormalization(own), values, 'any values, to the last digit');
  const out = join(root, 'command.pt');
  const made = await runCommand([
    'convert',
    ...['--backbone', checkpoints.backbone, '--head', checkpoints.head],
    ...['--out', out, '--normalization', 'sat'],
  ]);
  t.equal(made.code, 0, made.stderr);
  t.same(await engine().recordedNormalization(out), sat, 'by the command');
  for (const wrong of [
    'web',
    { mean: [0, 0], std: [1, 1, 1] },
    { mean: [0, 0, 0] },
    { mean: [0, 0, 0], std: [1, -1, 1] },
  ])
    await t.rejects(
      convert({ ...checkpoints, out, normalization: wrong as 'sat' }),
      { code: 'INVALID_ARGUMENT' },
      JSON.stringify(wrong),
    );
});

t.test('an exported network keeps it; random ones, and files without a record, are LVD', async (t) => {
  const exported = join(root, 'exported.pt');
  using model = await SegmentationModel.load(satPath);
  using head = ClassHead.create({ hidden: model.hidden, classes: 3, device: 'cpu' });
  await exportModel(model, head, exported);
  t.same((await inspect(exported)).normalization, normalizations.sat);

  const random = join(root, 'random.pt');
  await initModel({ arch: 'tiny', seed: 1, out: random });
  t.notHas(await inspect(random), { normalization: normalizations.lvd }, 'no record: ids stay what they are');
  using untrained = await SegmentationModel.load(random);
  t.same(untrained.normalization, normalizations.lvd);
  using other = ClassHead.create({ hidden: untrained.hidden, classes: 3, device: 'cpu' });
  await exportModel(untrained, other, exported);
  t.notHas(await inspect(exported), { normalization: normalizations.lvd });
  t.match(
    (await runCommand(['inspect', exported])).stdout,
    'mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225 (LVD)',
  );
});

t.test(
  'a folder says it in preprocessor_config.json, a network in its record; what is given wins',
  async (t) => {
    const folder = join(root, 'folder');
    mkdirSync(folder);
    copyFileSync(checkpoints.backbone, join(folder, 'model.safetensors'));
    const values: Normalization = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] };
    writeFileSync(
      join(folder, 'preprocessor_config.json'),
      JSON.stringify({ do_rescale: true, image_mean: values.mean, image_std: values.std }),
    );
    const out = join(root, 'of-folder.pt');
    const told = await convert({ backbone: folder, out });
    t.same(await engine().recordedNormalization(out), values);
    t.match(
      told.notes.join('\n'),
      'normalization of preprocessor_config.json: mean 0.5, 0.4, 0.3, std 0.2, 0.3, 0.4',
    );
    const again = join(root, 'of-network.pt');
    const taken = await convert({ backbone: out, out: again });
    t.same(await engine().recordedNormalization(again), values, 'of a network whose backbone is taken');
    t.match(taken.notes.join('\n'), `normalization of ${out}: mean 0.5`);
    const given = await convert({ backbone: folder, out, normalization: 'sat' });
    t.same(await engine().recordedNormalization(out), normalizations.sat);
    t.match(
      given.notes.join('\n'),
      '(SAT) as given; preprocessor_config.json has mean 0.5, 0.4, 0.3, std 0.2, 0.3, 0.4',
    );
    const same = await convert({ backbone: folder, out, normalization: values });
    t.notMatch(same.notes.join('\n'), 'normalization', 'nothing to say where both agree');
  },
);

t.test('a network sees images as if they had been normalised by hand', async (t) => {
  using plain = await SegmentationModel.load(lvdPath);
  using model = await SegmentationModel.load(satPath);
  using head = ClassHead.create({ hidden: model.hidden, classes: 4, device: 'cpu', seed: 1 });
  using byHand = normalised(image, model.normalization);
  const prepared = Tensor.wrap(
    await engine().prepareImages([image], {
      ...{ width: 64, height: 64, device: 'cpu', normalization: model.normalization },
    }),
  );
  close(t, 'prepared images', await prepared.floats(), await byHand.floats(), { atol: 1e-5 });

  using decoded = await model.decode(byHand);
  using expected = await head.classMap(decoded, { width: 64, height: 64 });
  const truth = (await expected.data()) as Uint8Array;
  const same = (map: Uint8Array) => map.filter((value, i) => value === truth[i]).length / truth.length;
  const options = { head, imageSize: 64 };
  const { data } = await model.segment(image, options);
  t.ok(same(data) > 0.999, `segment: ${same(data)} of the pixels`);
  const windows = await model.segment(image, { ...options, mode: 'slide' });
  t.ok(same(windows.data) > 0.999, 'by windows');
  const other = await plain.segment(image, options);
  t.ok(same(other.data) < 0.99, `with LVD's values the map differs: ${same(other.data)}`);

  const layer = {
    head: head.handle,
    scoring: 'recipe',
    table: Uint8Array.from({ length: 256 }, (_, i) => (i < 4 ? i : 255)),
  };
  const shares = await engine().classShares(
    model.handle,
    [layer as typeof layer & { scoring: 'recipe' }],
    [image],
    {
      ...{ width: 64, height: 64, columns: 4, soft: false },
    },
  );
  const counted = [0, 1, 2, 3].map((k) => truth.filter((value) => value === k).length);
  close(t, 'class shares', shares.subarray(0, 4), counted, { atol: 4 });

  using probe = await LinearProbe.from({
    ...{
      classes: 2,
      width: model.width,
      weight: new Float32Array(2 * model.width).map((_, i) => Math.sin(i)),
    },
    ...{
      bias: new Float32Array(2),
      gamma: new Float32Array(model.width).fill(1),
      beta: new Float32Array(model.width),
    },
    ...{ runningMean: new Float32Array(model.width), runningVar: new Float32Array(model.width).fill(1) },
  });
  using features = await model.features(byHand);
  using probed = await probe.classMap(features, { width: 64, height: 64 });
  const probeTruth = (await probed.data()) as Uint8Array;
  const { data: probeMap } = await probe.segment(model, image, { imageSize: 64 });
  t.ok(probeMap.filter((value, i) => value === probeTruth[i]).length > 0.999 * 64 * 64, 'a probe');
});

t.test('a detector sees images as if they had been normalised by hand', async (t) => {
  const files = await writeFormulaCheckpoints(t.testdir(), 'det');
  const out = join(t.testdirName, 'detector.pt');
  await convert({ ...files, out, task: 'detection', normalization: 'sat' });
  using model = await DetectionModel.load(out);
  t.same(model.normalization, normalizations.sat);
  const size = { width: 192, height: 144 };
  const data = Uint8Array.from({ length: 192 * 144 * 3 }, (_, i) => (i * 7919) % 251);
  using byHand = normalised({ data, ...size }, normalizations.sat);
  const { predLogits, predBoxes } = await model.forward(byHand);
  const best = await engine().bestDetections(predLogits.handle, predBoxes.handle, { ...size, top: 5 });
  const found = await model.detect({ data, ...size }, { imageSize: size, top: 5, threshold: 0 });
  const scores = await Tensor.wrap(best.scores).floats();
  close(
    t,
    'scores',
    found.map(({ score }) => score),
    scores,
    { rtol: 1e-4 },
  );
});

t.test('caches, training and evaluation use it, and it is part of the key of a cache', async (t) => {
  const given = { ...settings, model: satPath, cacheDtype: 'float32', flip: 0 } as const;
  const source = await cacheSource(given);
  t.equal(
    source.key.preprocessing,
    'bilinear antialiased, mean 0.43 0.411 0.296 and deviation 0.213 0.156 0.143; labels nearest (1)',
  );
  t.equal(
    (await cacheSource({ ...given, model: lvdPath })).key.preprocessing,
    'bilinear antialiased, ImageNet mean and deviation; labels nearest (1)',
    'the text of earlier releases: their caches stay valid',
  );
  const classSet = await loadClassSet('idd26');
  const keyOf = (normalization: Normalization) =>
    cacheKey({
      model: { id: 'a', dtype: 'stored', precision: 'tf32', normalization },
      ...{ classSet, labelKind: 'labelTrainIds', imageSize: 64, dtype: 'bfloat16', contents: 'decoded' },
      views: viewSettings({ flip: 0, views: 0, seed: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0 }),
    });
  const ids = [normalizations.lvd, normalizations.sat].map((each) => cacheId(keyOf(each)));
  t.not(ids[0], ids[1]);

  const cache = join(root, 'cache');
  const { entries } = await fill(cache, source);
  using model = await SegmentationModel.load(satPath);
  const pair = source.datasets.val.pairs[0]!;
  const prepared = Tensor.wrap(
    await engine().prepareImages([await decodeImage(pair.image)], {
      ...{ width: 64, height: 64, device: 'cpu', normalization: normalizations.sat },
    }),
  );
  using decoded = await model.decode(prepared);
  const queries = await decoded.queries.floats();
  const record = readRecords(cache, queries.byteLength).get(`val ${pair.name} view 0`)!;
  t.equal(entries.size, 12);
  close(t, 'queries in the cache', new Float32Array(Uint8Array.from(record.bytes).buffer), queries, {
    rtol: 1e-6,
  });

  const still = {
    ...given,
    brightness: 0,
    contrast: 0,
    saturation: 0,
    hue: 0,
    headPrecision: 'float32',
  } as const;
  for (const mode of ['live', 'cached'] as const)
    await train({
      ...still,
      cache: mode === 'cached' ? cache : null,
      mode,
      out: join(root, mode),
      epochs: 2,
    });
  const [live, cached] = ['live', 'cached'].map((mode) => readMetrics(join(root, mode)));
  for (const key of ['trainLoss', 'valLoss'])
    close(
      t,
      key,
      live!.map((line) => line[key] as number),
      cached!.map((line) => line[key] as number),
      { rtol: 1e-5 },
    );
  using head = await ClassHead.open(join(root, 'live/best.safetensors'), { device: 'cpu' });
  const dataset = await SegmentationDataset.open(settings.data, 'val', classSet);
  const { loss } = await evaluate(model, head, dataset, { imageSize: 64 });
  const best = live!.find(({ epoch }) => epoch === head.metadata.epoch)!;
  close(t, 'loss of eval', [loss!], [best['valLoss'] as number], { rtol: 1e-5 });
});

t.test('a damaged record is refused, and further members are for later releases', async (t) => {
  const entries = await entriesOf(satPath);
  const path = join(root, 'damaged.pt');
  const write = (record: string, stored = true) =>
    writeFileSync(
      path,
      zipOf(
        entries.map((entry) =>
          entry.name.endsWith('/extra/dinov3_seg.json') ? { ...entry, data: record, stored } : entry,
        ),
      ),
    );
  t.ok(entries.some(({ name }) => name.endsWith('/extra/dinov3_seg.json')));
  const good = '{"normalization":{"mean":[0,0,0],"std":[1,1,1]}}';
  for (const [what, record] of Object.entries({
    'no JSON': 'mean 0.5',
    'cut off': good.slice(0, -1),
    'data after its end': `${good}}`,
    'no std': '{"normalization":{"mean":[0,0,0]}}',
    'two numbers': good.replace('[0,0,0]', '[0,0]'),
    'four numbers': good.replace('[0,0,0]', '[0,0,0,0]'),
    'a text for a number': good.replace('[0,0,0]', '["a",0,0]'),
    'a std of 0': good.replace('[1,1,1]', '[1,0,1]'),
    'no number': good.replace('[1,1,1]', '[1,1e999,1]'),
    'a list': '[1]',
    'depth without end': `{"a":${'['.repeat(100)}`,
  })) {
    write(record);
    const expected = { code: 'MODEL_FORMAT', message: /extra\/dinov3_seg\.json is damaged: .*Convert/s };
    await t.rejects(SegmentationModel.load(path), expected, what);
    await t.rejects(engine().loadStaged(path, 'cpu'), expected, what);
    await t.rejects(inspect(path), expected, what);
    await t.rejects(engine().recordedNormalization(path), expected, what);
  }
  write(good, false);
  await t.rejects(SegmentationModel.load(path), { code: 'CHECKPOINT_FORMAT' }, 'compressed');
  write(
    '{ "note": {"a": [1, "b", null, true, {}]}, "normalization": {"mean": [0.5, 0, -1e-3], "unit": "0…1",\n"std": [1, 2, 3]} }',
  );
  using model = await SegmentationModel.load(path);
  t.same(model.normalization, { mean: [0.5, 0, -1e-3], std: [1, 2, 3] });
});
