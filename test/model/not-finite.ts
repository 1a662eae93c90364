/** A network that gives NaN ends every command with one error that names the first image. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compare } from '../../lib/compare/compare.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { inspect } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { forwardFile } from '../../lib/model/forward-file.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { runCommand } from '../helpers/command-line.js';
import { writeFormulaModel } from '../helpers/network.js';
import { spoiltFile } from '../helpers/spoilt-network.js';
import { tinySettings } from '../helpers/tiny-run.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const settings = await tinySettings(root, { train: 2, val: 2 });
const classSet = await loadClassSet('idd26');
const dataset = await SegmentationDataset.open(settings.data, 'val', classSet);
const images = dataset.pairs.map(({ image }) => image);
const [first] = images as [string, string];
const sound = await SegmentationModel.load(settings.model, { device: 'cpu' });
const headOptions = {
  hidden: sound.hidden,
  classes: classSet,
  precision: 'float32',
  device: 'cpu',
} as const;
const head = ClassHead.create({ ...headOptions, seed: 4 });
const headFile = join(root, 'head.safetensors');
await head.save(headFile, { metadata: { imageSize: 64 } });

const spoilt = await spoiltFile(settings.model, join(root, 'spoilt.pt'));
const model = await SegmentationModel.load(spoilt, { device: 'cpu' });

/** Refused with the network and the first image. */
const named = {
  code: 'MODEL_VALUES',
  message: `The network ${spoilt} or its head gave NaN or infinite values for ${first}, `,
};
const isNamed = (t: Test, call: Promise<unknown>, name: string) =>
  t.rejects(call, { ...named, message: new RegExp(`^${named.message.replaceAll('.', '\\.')}`) }, name);

t.test('the library names the image', async (t) => {
  await isNamed(t, model.segment(first, { head, imageSize: 64 }), 'segment');
  await isNamed(t, model.segmentBatch(images, { head, imageSize: 64 }), 'segmentBatch');
  await isNamed(t, model.segment(first, { head, imageSize: 64, mode: 'slide' }), 'in windows');
  await isNamed(t, model.segment(first, { imageSize: 64 }), 'by the own class_embed');
  await isNamed(t, model.scores(first, { head, imageSize: 64 }), 'scores');
  await isNamed(t, evaluate(model, head, dataset, { imageSize: 64 }), 'evaluate');
  const side = (model: string) => ({ model, head: headFile });
  const options = { classes: 'idd26', imageSize: 64, device: 'cpu' };
  await isNamed(t, compare(side(spoilt), side(settings.model), images, options), 'compare');
  await t.resolves(sound.segment(first, { head, imageSize: 64 }), 'a sound network is not refused');
  const soft = { model: spoilt, head: headFile, imageSize: 64, device: 'cpu' };
  for (const more of [{}, { soft: true }]) {
    await using extractor = await openFeatureExtractor({ ...soft, ...more });
    await t.rejects(
      extractor.extract([picture(40, 30)], {}),
      { code: 'MODEL_VALUES', message: /for image 1 of the pass/ },
      'pixels without a name are told by their place',
    );
  }
});

/** Of one part of the network each; the first two reach the mask logits alone and the class logits alone. */
const keys = [
  '1.predictor.mask_embed.layers.2.bias',
  '1.predictor.class_embed.bias',
  '1.predictor.query_feat.weight',
  '1.pixel_decoder.mask_feature.bias',
  '0.spm.stem.1.running_var',
  '0.backbone.blocks.0.ls1.gamma',
  '0.backbone.norm.weight',
];

t.test('wherever the NaN comes from, nothing is made of it', async (t) => {
  using one = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  // Where attention samples its maps.
  const { tensors } = await inspect(settings.model);
  const places = tensors.map(({ name }) => name).filter((name) => name.includes('.sampling_offsets.'));
  t.ok(places.length > 10);
  for (const key of [...keys.map((key) => `segmentation_model.${key}`), ...places]) {
    const path = await spoiltFile(settings.model, join(root, 'one.pt'), key);
    using network = await SegmentationModel.load(path, { device: 'cpu' });
    const message = new RegExp(`values for ${first.replaceAll('.', '\\.')},`);
    const expected = { code: 'MODEL_VALUES', message };
    await t.rejects(network.segment(first, { imageSize: 64 }), expected, key);
    await t.rejects(network.forward(one), { code: 'MODEL_VALUES' }, `${key}: forward`);
    if (key.includes('mask_embed'))
      await t.rejects(network.segment(first, { head, imageSize: 64 }), expected, 'masks alone, another head');
  }
});

t.test('a batch of tensors tells the place', async (t) => {
  const values = new Float32Array(2 * 3 * 64 * 64).fill(0.5);
  values[3 * 64 * 64] = NaN;
  using batch = Tensor.from(values, [2, 3, 64, 64]);
  const second = { code: 'MODEL_VALUES', message: /for image 2 of the pass/ };
  await t.rejects(sound.decode(batch), second, 'decode');
  await t.rejects(sound.forward(batch), second, 'forward');
  await t.rejects(sound.features(batch), second, 'features');
  await t.rejects(sound.layerFeatures(batch), second, 'layerFeatures');
  using one = batch.slice(0, 1);
  using decoded = await sound.decode(one);
  t.ok((await decoded.masks.floats()).every(Number.isFinite), 'the other image is sound');
});

t.test('a head that is not finite is found as its network would be', async (t) => {
  using broken = ClassHead.create({ ...headOptions, seed: 4 });
  const state = await broken.state();
  state.bias[3] = Infinity;
  await broken.restore(state);
  const message = new RegExp(`values for ${first.replaceAll('.', '\\.')},`);
  const expected = { code: 'MODEL_VALUES', message };
  await t.rejects(sound.segmentBatch(images, { head: broken, imageSize: 64 }), expected, 'segment');
  await t.rejects(evaluate(sound, broken, dataset, { imageSize: 64 }), expected, 'evaluate');
  const ofOutputs = {
    code: 'MODEL_VALUES',
    message: /^The network that gave these outputs or its head gave NaN/,
  };
  using images64 = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  using decoded = await sound.decode(images64);
  await t.rejects(broken.classMap(decoded, { width: 8, height: 8 }), ofOutputs, 'classMap');
  const file = join(root, 'broken.safetensors');
  await broken.save(file);
  const input = join(root, 'in.safetensors');
  await engine().writeSafetensors(input, { image: images64.handle }, {});
  const output = join(root, 'out.safetensors');
  const written = forwardFile({ model: settings.model, head: file, input, output, device: 'cpu' });
  const ofHead = {
    code: 'MODEL_VALUES',
    message: /The head gave NaN or infinite values for image 1 of the pass/,
  };
  await t.rejects(written, ofHead, 'forward');
  t.notOk(existsSync(output));
});

t.test('the cache and live training end so, too', async (t) => {
  const cache = join(root, 'cache');
  const ofTraining = { code: 'MODEL_VALUES', message: /values for \/.*train\/.*\.(png|jpg), / };
  await t.rejects(makeCache({ ...settings, model: spoilt, cache }), ofTraining);
});

t.test('commands end with the error and write nothing that looks like a result', async (t) => {
  const flags = ['--model', spoilt, '--head', headFile, '--device', 'cpu', '--image-size', '64'];
  const runs = {
    predict: ['--output', join(root, 'out'), ...images],
    features: ['--output', join(root, 'T.csv'), ...images],
    eval: ['--data', settings.data],
  };
  for (const [command, others] of Object.entries(runs)) {
    const { code, stderr } = await runCommand([command, ...flags, ...others]);
    t.equal(code, 1, command);
    t.match(stderr, named.message, command);
  }
});

t.test('a detector', async (t) => {
  const folder = join(root, 'det');
  const path = await spoiltFile(await writeFormulaModel(folder, 'det'), join(root, 'det.pt'));
  const detector = await DetectionModel.load(path, { device: 'cpu' });
  await t.rejects(detector.detect(first, { imageSize: 96 }), {
    code: 'MODEL_VALUES',
    message: new RegExp(`The network ${path} or its head gave .* for ${first},`),
  });
});
