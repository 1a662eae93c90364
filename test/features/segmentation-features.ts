/** Percentages of the network's class maps against recounts of those maps. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { ade150Names } from '../../lib/data/sets/ade150.js';
import { idd26Classes } from '../../lib/data/sets/idd26.js';
import { featureMapPath, readFeatureMap } from '../../lib/features/aggregation.js';
import { SegmentationFeatures } from '../../lib/features/segmentation-features.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { exportModel } from '../../lib/model/convert.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { close } from '../helpers/close.js';
import { writeFormulaModel } from '../helpers/network.js';
import { createRandom } from '../helpers/random-values.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const path = await writeFormulaModel(root);
const model = await SegmentationModel.load(path);
const idd26 = await loadClassSet('idd26');
const headPath = join(root, 'head.safetensors');
const head = ClassHead.create({ hidden: model.hidden, classes: idd26, precision: 'float32', seed: 1 });
await head.save(headPath);
const imageSize = 64;
const [wide, tall] = [picture(90, 70), picture(33, 120, 1)];

/** Columns by name. */
const names = idd26Classes.map(([name]) => name);
const indexOf = (name: string) => names.indexOf(name);

/** Classes that the random network's own head gives, so that a map has something to take. */
const [often, seldom] = [ade150Names[34]!, ade150Names[108]!];

async function writeMap(name: string, map: object): Promise<string> {
  const file = join(root, name);
  await writeFile(file, JSON.stringify(map));
  return file;
}

function recount(columns: Iterable<number>, count: number): number[] {
  const pixels = new Array<number>(count + 1).fill(0);
  let total = 0;
  for (const column of columns) {
    pixels[column === -1 ? count : column]!++;
    total++;
  }
  return pixels.map((value) => (100 * value) / total);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

t.test('percentages equal a recount of the class map', async (t) => {
  for (const [title, options, mapOptions] of [
    ['the 150 of the own head', { set: '230' }, {}],
    ['the 26 of the fine-tuned head', { flavour: 'idd26-head', head: headPath }, { head }],
  ] as const) {
    using features = await SegmentationFeatures.open({ model, imageSize, ...options });
    for (const image of [wide, tall]) {
      const map = await model.segment(image, { imageSize, ...mapOptions });
      const [own] = await features.of([image]);
      const expected = recount(map.data, features.columns.length);
      t.same([...own!.values, own!.unassigned], expected, `${title}, ${image.width}×${image.height}`);
      t.ok(Math.abs(sum(own!.values) - 100) < 1e-9, 'they sum to 100');
      t.ok(own!.values.filter((value) => value > 0).length >= 4, 'the map has several classes');
    }
  }
});

t.test('images of a pass are counted each at its own size', async (t) => {
  using features = await SegmentationFeatures.open({ model, imageSize, set: '230' });
  const maps = await model.segmentBatch([wide, tall], { imageSize });
  const counted = await features.of([wide, tall]);
  t.same(
    counted.map(({ values }) => values),
    maps.map(({ data }) => recount(data, 150).slice(0, 150)),
  );
});

t.test('transparent pixels count for no column, in a file as in pixels', async (t) => {
  const { data, width, height } = wide;
  // A circle, as of a fisheye lens.
  const transparent = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [(i % width) - width / 2, Math.floor(i / width) - height / 2];
    return Math.hypot(x, y) > height / 2 ? 1 : 0;
  });
  const hidden = transparent.reduce((total, value) => total + value, 0);
  const rgba = Uint8Array.from({ length: 4 * width * height }, (_, i) =>
    i % 4 < 3 ? data[3 * (i >> 2) + (i % 4)]! : transparent[i >> 2] ? 127 : 128,
  );
  const png = await sharp(rgba, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
  const own = await writeMap('few.json', { name: 'few', groups: { often: [often] } });
  for (const [title, options, mapOptions] of [
    ['the own head', { set: '230' }, {}],
    ['the fine-tuned head', { flavour: 'idd26-head', head: headPath }, { head }],
    ['a map of few classes', { aggregation: own }, {}],
  ] as const) {
    using features = await SegmentationFeatures.open({ model, imageSize, ...options });
    const map = await model.segment(wide, { imageSize, ...mapOptions });
    const columnOf = (index: number) =>
      title !== 'a map of few classes' ? index : ade150Names[index] === often ? 0 : -1;
    const columns = Array.from(map.data, (index, i) => (transparent[i] ? -1 : columnOf(index)));
    const expected = recount(columns, features.columns.length);
    const inputs = [
      { data, width, height, transparent },
      png,
      { data: rgba, width, height, channels: 4 },
    ] as const;
    for (const result of [...(await features.of(inputs)), ...(await features.of([png]))])
      t.same([...result.values, result.unassigned], expected, title);
    t.ok(expected.at(-1)! >= (100 * hidden) / (width * height) - 1e-9, 'all of them are unassigned');
    t.ok(Math.abs(sum(expected) - 100) < 1e-9, 'rows sum to 100');
  }
  using features = await SegmentationFeatures.open({ model, imageSize, set: '230' });
  const [nothing] = await features.of([{ ...wide, transparent: transparent.map(() => 1) }]);
  t.same([sum(nothing!.values), nothing!.unassigned], [0, 100], 'nothing is left');
});

t.test('the ade26 columns are sums of the 150, with the classes that two of them take', async (t) => {
  using all = await SegmentationFeatures.open({ model, imageSize, set: '230' });
  using features = await SegmentationFeatures.open({ model, imageSize, flavour: 'ade26' });
  const map = await readFeatureMap(featureMapPath('ade26'));
  const [[each], [own]] = [await all.of([wide]), await features.of([wide])];
  const expected = map.groups.map(({ classes }) => sum(classes.map((index) => each!.values[index]!)));
  close(t, 'sums', own!.values, expected, { atol: 1e-9 });
  const inAny = new Set(map.groups.flatMap(({ classes }) => classes));
  const rest = sum(each!.values.filter((_, index) => !inAny.has(index)));
  close(t, 'what no column counts', [own!.unassigned], [rest], { atol: 1e-9 });
});

/** A plain loop over both maps: the own head's class by name, then the fine-tuned head's where it goes over. */
async function hybridByLoop(groups: Record<string, readonly string[]>, overwrite: readonly string[]) {
  const own = await model.segment(wide, { imageSize });
  const fine = await model.segment(wide, { imageSize, head });
  const over = overwrite.map(indexOf);
  const columns = Array.from(own.data, (ade, i) => {
    let column = -1;
    for (const [name, taken] of Object.entries(groups))
      if (taken.includes(ade150Names[ade]!)) column = indexOf(name);
    return over.includes(fine.data[i]!) ? fine.data[i]! : column;
  });
  return recount(columns, 26);
}

t.test('the hybrid equals a plain loop over the maps of both heads', async (t) => {
  const groups = { 'traffic light': [often], building: [seldom, 'wall'] };
  const overwrite = names.filter((name) => !['traffic light', 'building'].includes(name));
  const own = await writeMap('hybrid.json', { name: 'own', headClasses: 'idd26', groups, overwrite });
  const standard = await readFeatureMap(featureMapPath('idd26-hybrid'));
  if (standard.kind !== 'hybrid') throw new Error('not a hybrid');
  const namedGroups = Object.fromEntries(
    standard.groups.map(({ name, classes }) => [name, classes.map((index) => ade150Names[index]!)]),
  );
  for (const [title, options, expected] of [
    [
      'idd26',
      { flavour: 'idd26' },
      await hybridByLoop(
        namedGroups,
        standard.overwrite.map((i) => names[i]!),
      ),
    ],
    ['a map of one’s own', { aggregation: own }, await hybridByLoop(groups, overwrite)],
  ] as const) {
    using features = await SegmentationFeatures.open({ model, imageSize, head: headPath, ...options });
    const [result] = await features.of([wide]);
    t.same([...result!.values, result!.unassigned], expected, title);
    t.ok(result!.unassigned > 0 && result!.unassigned < 100, 'some pixels have no class');
    t.ok(Math.abs(sum(result!.values) + result!.unassigned - 100) < 1e-9, 'with those it sums to 100');
  }
});

t.test('a linear probe serves as the fine-tuned head, alone and over the own head', async (t) => {
  const random = createRandom(4);
  const values = (count: number, centre = 0) =>
    Float32Array.from({ length: count }, () => centre + random() - 0.5);
  const { width } = model;
  using probe = await LinearProbe.from(
    {
      ...{ classes: 26, width, weight: values(26 * width), bias: values(26), gamma: values(width, 1) },
      ...{ beta: values(width), runningMean: values(width), runningVar: values(width, 2) },
    },
    { metadata: { classSet: idd26 } },
  );
  const file = join(root, 'probe.safetensors');
  await probe.save(file);
  using alone = await SegmentationFeatures.open({ model, imageSize, head: file, flavour: 'idd26-head' });
  const map = await model.segment(wide, { imageSize, head: probe });
  t.same((await alone.of([wide]))[0]!.values, recount(map.data, 26).slice(0, 26));
  using both = await SegmentationFeatures.open({ model, imageSize, head: file, flavour: 'idd26' });
  const [hybrid] = await both.of([wide]);
  t.equal(hybrid!.values[indexOf('parking')], (await alone.of([wide]))[0]!.values[indexOf('parking')]);
});

t.test('settings hold what decides the values', async (t) => {
  const map = await writeMap('two.json', {
    name: 'two',
    groups: { Sky: ['sky'], 'Tall things': ['tower', 'tree'] },
  });
  using own = await SegmentationFeatures.open({ model, imageSize, aggregation: map, soft: true });
  t.same(own.columns, ['seg_vit_sky', 'seg_vit_tall_things']);
  t.same(own.settings, {
    percentages: 'two',
    map: { name: 'two', classes: 'ade150', groups: { Sky: ['sky'], 'Tall things': ['tree', 'tower'] } },
    soft: true,
    imageSize: { width: 64, height: 64 },
    model: { id: model.id, dtype: 'float32', precision: 'float16' },
    heads: [{ head: 'own', classSet: 'ade150', scoring: 'ade20k', precision: 'float32' }],
  });
  using hybrid = await SegmentationFeatures.open({ model, head: headPath });
  t.equal(hybrid.settings.percentages, 'idd26', 'the default with a head');
  t.match(hybrid.settings.heads[1], { head: /^[0-9a-f]{64}$/, classSet: 'idd26', scoring: 'recipe' });
  t.same(JSON.parse(JSON.stringify(hybrid.settings)), hybrid.settings, 'they are JSON');
});

t.test('what does not fit together is refused', async (t) => {
  const headOf = async (classes: number, classSet?: string) => {
    const file = join(root, `head-${classes}-${classSet}.safetensors`);
    const set = classSet === undefined ? classes : await loadClassSet(classSet);
    using made = ClassHead.create({ hidden: model.hidden, classes: set });
    await made.save(file);
    return file;
  };
  const exported = join(root, 'exported.pt');
  await exportModel(model, head, exported);
  const open = (options: object) => SegmentationFeatures.open({ model: path, imageSize, ...options });
  for (const [title, options, error] of [
    [
      'idd26 without a head',
      { flavour: 'idd26' },
      { code: 'INVALID_ARGUMENT', message: /head of 26 classes/ },
    ],
    ['a head that no column asks for', { flavour: 'ade26', head: headPath }, { code: 'INVALID_ARGUMENT' }],
    ['the 230 with a flavour', { set: '230', flavour: 'ade26' }, { code: 'INVALID_ARGUMENT' }],
    ['a flavour and a map', { flavour: 'ade26', aggregation: 'map.json' }, { code: 'INVALID_ARGUMENT' }],
    ['an unknown flavour', { flavour: 'ade62' }, { code: 'INVALID_ARGUMENT', message: /"ade26"/ }],
    ['an unknown set', { set: '37' }, { code: 'INVALID_ARGUMENT', message: /36, 230/ }],
    [
      'ade26 by a network of 26 outputs',
      { model: exported, flavour: 'ade26' },
      { code: 'HEAD_MISMATCH', message: /151/ },
    ],
    [
      'a head of other classes',
      { head: await headOf(19, 'cityscapes19') },
      { code: 'HEAD_MISMATCH', message: /cityscapes19/ },
    ],
    ['a head of another number of classes', { head: await headOf(12) }, { code: 'HEAD_MISMATCH' }],
    ['an absent head', { head: join(root, 'absent.safetensors') }, { code: 'FILE_NOT_FOUND' }],
    ['a size that the network does not take', { imageSize: 100 }, { code: 'SHAPE' }],
  ] as const)
    await t.rejects(open(options), error, title);
  using nameless = await open({ head: await headOf(26), flavour: 'idd26-head' });
  t.equal(nameless.columns.length, 26, 'a head without names is taken by its number of outputs');
  await t.rejects(nameless.of([]), { code: 'INVALID_ARGUMENT' }, 'no image');
});

t.test('it stops on request, and frees what it opened and no more', async (t) => {
  const features = await SegmentationFeatures.open({ model, imageSize, head: headPath });
  await t.rejects(features.of([wide], { signal: AbortSignal.abort(new Error('enough')) }), {
    message: 'enough',
  });
  features.dispose();
  await t.rejects(features.of([wide]), { code: 'DISPOSED' });
  t.ok(model.handle, 'the model was given');
  const own = await SegmentationFeatures.open({ model: path, imageSize });
  own.dispose();
  t.throws(() => own.model.handle, { code: 'DISPOSED' });
});

t.teardown(() => {
  head.dispose();
  model.dispose();
});

t.test('without imageSize, images are seen at the size of the head’s training', async (t) => {
  const trained = join(root, 'trained.safetensors');
  await head.save(trained, { metadata: { imageSize } });
  using features = await SegmentationFeatures.open({ model, head: trained, flavour: 'idd26-head' });
  using given = await SegmentationFeatures.open({ model, head: trained, flavour: 'idd26-head', imageSize });
  t.same(features.settings, given.settings);
});
