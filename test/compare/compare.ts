/** Two precisions, networks or heads on the same images. */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compare } from '../../lib/compare/compare.js';
import type { Comparison } from '../../lib/compare/comparison.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { normals } from '../helpers/heads.js';
import { chooseSize, watchDecode } from '../helpers/passes.js';
import { createRandom } from '../helpers/random-values.js';
import { scenesAndHead } from '../helpers/scenes-and-head.js';

const root = t.testdir({ tmp: {} });
const at = (name: string) => join(root, name);
const { settings, classSet, dataset, model, head } = await scenesAndHead(root);
const headFile = at('head.safetensors');
const other = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 5 });
await other.save(at('other.safetensors'), { metadata: { imageSize: 64 } });
copyFileSync(settings.model, at('copy.pt'));
const images = dataset.pairs.map(({ image }) => image);
const on = { device: 'cpu' };
const labelled = { data: settings.data, split: 'val' };
const a = { model: settings.model, head: headFile };

/** Class logits, mask logits and class map of an image at 64×64. */
async function outputsOf(network: SegmentationModel, own: ClassHead, path: string) {
  const place = { width: 64, height: 64, device: 'cpu', normalization: network.normalization };
  using pixels = Tensor.wrap(await engine().prepareImages([await decodeImage(path)], place));
  using decoded = await network.decode(pixels);
  using logits = await own.forward(decoded.queries);
  using map = await own.classMap(decoded, { width: 64, height: 64 });
  return {
    logits: await logits.floats(),
    masks: await decoded.masks.floats(),
    map: (await map.data()) as Uint8Array,
  };
}

type Outputs = Awaited<ReturnType<typeof outputsOf>>;

function relative(ours: Float32Array, theirs: Float32Array): number {
  let [error, norm] = [0, 0];
  theirs.forEach((value, i) => {
    error += (ours[i]! - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(error / norm);
}

/** Everything of a comparison of class maps and logits, computed another way. */
function checkOutputs(t: Test, result: Comparison, ours: Outputs[], theirs: Outputs[]): void {
  const shares = ours.map(({ map }, i) => map.filter((c, p) => c === theirs[i]!.map[p]).length / map.length);
  t.same(
    result.perImage.map(({ samePixels }) => samePixels),
    shares,
  );
  const mean = shares.reduce((sum, share) => sum + share) / shares.length;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (shares.length - 1);
  close(t, 'mean', [result.samePixels!.mean], [mean], { rtol: 1e-12 });
  const { standardError } = result.samePixels!;
  close(t, 'standard error', [standardError!], [Math.sqrt(variance / shares.length)], { rtol: 1e-12 });
  for (const [name, part] of [
    ['classLogits', 'logits'],
    ['maskLogits', 'masks'],
  ] as const) {
    const errors = ours.map((outputs, i) => relative(outputs[part], theirs[i]![part]));
    const measured = result.perImage.map((image) => image[name]!);
    close(t, name, measured, errors, { rtol: 1e-5, atol: 1e-12 });
    close(t, name, [result[name]!.mean], [errors.reduce((sum, each) => sum + each) / errors.length], {
      rtol: 1e-5,
      atol: 1e-12,
    });
  }
  for (const { index, pixelsA, pixelsB, pixelsBoth, share } of result.classes) {
    const count = (is: (place: number, pixel: number) => boolean) =>
      ours.reduce((sum, { map }, i) => sum + map.filter((_, pixel) => is(i, pixel)).length, 0);
    const [byA, byB] = [ours, theirs].map((side) => (i: number, p: number) => side[i]!.map[p] === index);
    t.same([pixelsA, pixelsB], [count(byA!), count(byB!)]);
    t.equal(
      pixelsBoth,
      count((i, p) => byA!(i, p) && byB!(i, p)),
    );
    t.equal(share, pixelsB === 0 ? null : pixelsBoth / pixelsB);
  }
}

t.test('two heads: logits, masks, pixels and classes are those of each image', async (t) => {
  const told: [number, number][] = [];
  const result = await compare(a, { ...a, head: at('other.safetensors') }, images, {
    ...on,
    onProgress: (done, total) => told.push([done, total]),
  });
  t.match(result, { images: 5, imageSize: 64, classSet: 'idd26', labels: null, failed: [], report: null });
  t.match(result.a, { model: settings.model, head: headFile, dtype: 'float32', scoring: 'recipe' });
  t.equal(result.b.head, at('other.safetensors'));
  t.same(
    told.map(([done]) => done),
    [1, 2, 3, 4, 5],
  );
  t.same(told[0], [1, 5]);
  const ours = await Promise.all(images.map((path) => outputsOf(model, head, path)));
  const theirs = await Promise.all(images.map((path) => outputsOf(model, other, path)));
  checkOutputs(t, result, ours, theirs);
  t.ok(result.samePixels!.mean < 1, 'they differ');
  t.equal(result.maskLogits!.mean, 0, 'the network is the same');
});

t.test('two networks, one after the other: the same figures, computed another way', async (t) => {
  t.context = process.env['TMPDIR'];
  process.env['TMPDIR'] = at('tmp');
  t.teardown(() => {
    if (t.context === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = t.context as string;
  });
  const told: number[] = [];
  const coarse = { model: settings.model, head: headFile, dtype: 'bfloat16' } as const;
  const result = await compare(coarse, a, images, {
    ...on,
    onProgress: (done, total) => {
      told.push(done);
      t.equal(total, 10);
    },
  });
  t.same(told, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  t.same([result.a.dtype, result.b.dtype], ['bfloat16', 'float32']);
  t.same(readdirSync(at('tmp')), [], 'nothing is left in the temporary folder');
  using rough = await SegmentationModel.load(settings.model, { dtype: 'bfloat16', device: 'cpu' });
  const ours = await Promise.all(images.map((path) => outputsOf(rough, head, path)));
  const theirs = await Promise.all(images.map((path) => outputsOf(model, head, path)));
  checkOutputs(t, result, ours, theirs);
  t.ok(result.maskLogits!.mean > 1e-4 && result.maskLogits!.mean < 0.1, 'a small difference');
});

t.test('the same network under another name has no error, and all pixels are the same', async (t) => {
  const result = await compare(a, { ...a, model: at('copy.pt') }, labelled, on);
  t.same(result.samePixels, { mean: 1, standardError: 0 });
  t.same([result.classLogits, result.maskLogits], Array(2).fill({ mean: 0, standardError: 0 }));
  t.same(result.labels!.difference, { mIoU: 0, standardError: 0 });
  for (const { share, pixelsA, pixelsB } of result.classes) {
    t.equal(pixelsA, pixelsB);
    t.ok(share === 1 || pixelsB === 0);
  }
});

t.test('with labels, mIoU is that of evaluate()', async (t) => {
  const heads = { ...a, head: at('other.safetensors') };
  const [ofA, ofB] = [
    await evaluate(model, head, dataset, { imageSize: 64 }),
    await evaluate(model, other, dataset, { imageSize: 64 }),
  ];
  for (const [name, b] of [
    ['two heads', heads],
    ['two networks', { ...heads, model: at('copy.pt') }],
  ] as const) {
    const { labels, classes, perImage } = await compare(a, b, labelled, on);
    for (const [side, evaluation] of [
      [labels!.a, ofA],
      [labels!.b, ofB],
    ] as const) {
      const { mIoU, perImageIoU, pixelAccuracy } = evaluation;
      t.same(side, { mIoU, perImageIoU, pixelAccuracy }, name);
    }
    t.equal(labels!.difference.mIoU, ofA.mIoU! - ofB.mIoU!);
    t.ok(labels!.difference.standardError! > 0);
    t.same(
      classes.map(({ iouA, iouB }) => [iouA, iouB]),
      ofA.classes.map(({ iou }, k) => [iou, ofB.classes[k]!.iou]),
    );
    t.same(
      perImage.map(({ name, iouA, iouB }) => [name, iouA, iouB]),
      dataset.pairs.map((pair, i) => [pair.name, ofA.imageIou[i], ofB.imageIou[i]]),
    );
  }
});

t.test('several images a pass and several devices give the same', async (t) => {
  const coarse = { model: settings.model, head: headFile, dtype: 'bfloat16' } as const;
  const single = await compare(coarse, a, labelled, on);
  const many = await compare(coarse, a, labelled, { device: 'cpu,cpu', passSize: 2 });
  close(t, 'pixels', [many.samePixels!.mean], [single.samePixels!.mean], { atol: 2e-3 });
  close(t, 'masks', [many.maskLogits!.mean], [single.maskLogits!.mean], { rtol: 1e-2 });
  t.same(
    many.perImage.map(({ name }) => name),
    single.perImage.map(({ name }) => name),
  );
  t.same([single.warnings, many.warnings], [[], []]);
});

t.test('both networks get the same passes, and where memory does not allow it, that is told', async (t) => {
  const b = { ...a, model: at('copy.pt') };
  writeFileSync(at('unreadable.png'), 'no image');
  const some = [images[0]!, at('unreadable.png'), ...images.slice(1, 4)];
  const seen = watchDecode(t);
  const same = await compare(a, b, some, { ...on, passSize: 2 });
  t.same(seen, [1, 2, 1, 1, 2, 1], 'the group of the broken image is smaller for both');
  t.same(same.warnings, []);
  chooseSize(t, 4);
  watchDecode(t, 2);
  const { warnings } = await compare(a, b, images, on);
  t.same(warnings.length, 1);
  t.match(warnings[0], /different sizes \(4, 2 images\).* Give --pass-size 2/);
});

t.test('a probe and a class_embed have class logits of different shapes, and one has no masks', async (t) => {
  const random = createRandom(5);
  const { width } = model;
  const values = (count: number, centre = 0) => normals(random, count, 0.3).map((value) => centre + value);
  using probe = await LinearProbe.from(
    {
      ...{ classes: 26, width, weight: values(26 * width), bias: values(26), gamma: values(width, 1) },
      ...{ beta: values(width), runningMean: values(width), runningVar: values(width, 2) },
    },
    { device: 'cpu', metadata: { classSet } },
  );
  await probe.save(at('probe.safetensors'));
  for (const model of [settings.model, at('copy.pt')]) {
    const result = await compare(a, { model, head: at('probe.safetensors') }, images.slice(0, 2), on);
    t.same([result.classLogits, result.maskLogits], [null, null]);
    t.ok(result.samePixels!.mean < 1);
  }
  const probes = { model: settings.model, head: at('probe.safetensors') };
  const same = await compare(probes, { ...probes, model: at('copy.pt') }, images.slice(0, 1), {
    ...on,
    imageSize: 64,
  });
  t.same([same.classLogits, same.maskLogits], [{ mean: 0, standardError: null }, null]);
});

t.test("the networks' own heads are compared where none is given", async (t) => {
  const own = { model: settings.model };
  const result = await compare({ ...own, dtype: 'bfloat16' }, own, images.slice(0, 2), {
    ...on,
    imageSize: 64,
  });
  t.match(result, { classSet: 'ade150', a: { head: null, scoring: 'ade20k' }, images: 2 });
  t.ok(result.classLogits!.mean > 0);
});

t.test('images that cannot be read are named, and the others are compared', async (t) => {
  writeFileSync(at('broken.png'), 'no image');
  const some = [images[0]!, at('broken.png'), images[1]!, at('absent.png')];
  const told: number[] = [];
  const onProgress = (done: number) => told.push(done);
  const result = await compare(a, { ...a, model: at('copy.pt') }, some, { ...on, onProgress });
  t.same(
    result.failed.map(({ image, error }) => [image, error.code]),
    [
      [at('broken.png'), 'IMAGE'],
      [at('absent.png'), 'FILE_NOT_FOUND'],
    ],
  );
  t.same(
    result.perImage.map(({ name }) => name),
    [images[0], images[1]],
  );
  t.equal(told.at(-1), 8, 'they count as done');
  const none = await compare(a, { ...a, model: at('copy.pt') }, [at('broken.png')], on);
  t.match(none, { images: 0, samePixels: null, classLogits: null, perImage: [], failed: { length: 1 } });
});

t.test('it stops between two images, and leaves nothing behind', async (t) => {
  for (const [b, after] of [
    [{ ...a, head: at('other.safetensors') }, 3],
    [{ ...a, model: at('copy.pt') }, 3],
    [{ ...a, model: at('copy.pt') }, 7],
  ] as const) {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = compare(a, b, labelled, {
      ...{ ...on, signal: controller.signal },
      onProgress: (done) => done === after && controller.abort(reason),
    });
    await t.rejects(stopped, reason);
  }
});

t.test('what cannot be compared is refused, with what was expected', async (t) => {
  const set = await loadClassSet('cityscapes19');
  const cities = ClassHead.create({ hidden: model.hidden, classes: set, seed: 1 });
  await cities.save(at('cities.safetensors'));
  const renamed = {
    ...classSet,
    classes: classSet.classes.map((c) => (c.index === 3 ? { ...c, name: 'x' } : c)),
  };
  const strange = ClassHead.create({ hidden: model.hidden, classes: renamed, seed: 1 });
  await strange.save(at('strange.safetensors'));
  await head.save(at('large.safetensors'), { metadata: { imageSize: 96 } });
  const copy = at('copy.pt');
  const cases: [object, object, string, RegExp][] = [
    [a, a, 'INVALID_ARGUMENT', /nothing to compare: both sides are .* dtype stored, precision float16\./],
    [a, { ...a, dtype: 'stored', precision: 'float16' }, 'INVALID_ARGUMENT', /nothing to compare/],
    [
      a,
      { ...a, head: at('cities.safetensors') },
      'HEAD_MISMATCH',
      /A has the 26 .* B the 19 of "cityscapes19"/,
    ],
    [a, { ...a, head: at('strange.safetensors') }, 'HEAD_MISMATCH', /Class 3 is ".*" in A and "x" in B/],
    [{ model: copy }, a, 'HEAD_MISMATCH', /A has the 150 classes of "ade150", B the 26/],
    [a, { model: copy }, 'HEAD_MISMATCH', /A has the 26 .* B the 150/],
    [
      a,
      { ...a, head: at('large.safetensors') },
      'INVALID_ARGUMENT',
      /different image sizes \(64, 96 pixels\)/,
    ],
    [a, { ...a, precison: 'fast' }, 'INVALID_ARGUMENT', /Did you mean "precision"\?/],
    [a, { model: at('none.pt') }, 'FILE_NOT_FOUND', /none\.pt/],
  ];
  for (const [one, two, code, message] of cases)
    await t.rejects(compare(one as typeof a, two as typeof a, images.slice(0, 1), on), { code, message });
  const b = { ...a, model: copy };
  await t.rejects(compare(a, b, images, { ...on, passSize: 0.5 }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(compare(a, b, images, { ...on, imageSize: 65 }), { code: 'SHAPE' });
  await t.rejects(compare(a, b, { ...labelled, split: 'tests' }, on), { code: 'DATASET' });
});
