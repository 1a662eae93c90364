/** A backbone alone as a network: its features, linear heads on them, and what asks for a decoder. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert, exportModel } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { forwardFile } from '../../lib/model/forward-file.js';
import { backboneArchitectures, initModel } from '../../lib/model/init-model.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { openHead } from '../../lib/model/open-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { BackbonePlan } from '../../lib/native/bindings/engine.js';
import { close, sameBits, sameMap } from '../helpers/close.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { linearHead, linearLogits, patchMaps, writeLinearHead } from '../helpers/linear-head.js';
import { writeFormulaBackbone, writeFormulaCheckpoints, writeFormulaModel } from '../helpers/network.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';
import { picture } from '../helpers/tiny-network.js';

async function writeImages(folder: string, image: { data: Float32Array; shape: readonly number[] }) {
  const path = join(folder, 'image.safetensors');
  using tensor = Tensor.from(image.data, image.shape);
  await engine().writeSafetensors(path, { image: tensor.handle }, {});
  return path;
}

/** Logits at the images' size by the method `forward` of a file, which plain PyTorch runs. */
async function ownForward(model: SegmentationModel, images: Tensor): Promise<Float32Array> {
  const { logits } = await engine().taps(model.handle, images.handle);
  return Tensor.wrap(logits!).floats();
}

/** The tapped layers' patch tokens by the file's own `taps`. */
async function layersOf(model: SegmentationModel, images: Tensor): Promise<Stored[]> {
  const taps = await engine().taps(model.handle, images.handle);
  const layers: Stored[] = [];
  for (let i = 0; i < 4; i++) {
    using tokens = Tensor.wrap(taps[`vit.${i}.patch`]!);
    layers.push({ shape: [...tokens.shape], data: await tokens.floats() });
  }
  return layers;
}

const cases = [
  ['seg-swiglu', [1, 3, 64, 96]],
  ['seg-mlp', [2, 3, 64, 32]],
] as const;

for (const [name, shape] of cases)
  t.test(`${name}'s backbone alone gives the reference's features`, async (t) => {
    const folder = t.testdir();
    using model = await SegmentationModel.load(await writeFormulaBackbone(folder, name));
    t.match(model, { width: 64, hidden: 0, classes: 0, provides: ['features', 'layer_features'] });
    const { data } = formulaTensor('image', shape);
    using images = Tensor.from(data, shape);
    const last = formulaOutputs(name)['vit.3.patch']!;
    const layers = await layersOf(model, images);

    using features = await model.features(images);
    t.same(features.shape, [shape[0], 64, shape[2] / 16, shape[3] / 16]);
    close(t, 'features', await features.floats(), patchMaps([last]), { rtol: 1e-5 });
    using all = await model.layerFeatures(images);
    t.same(all.shape, [shape[0], 256, shape[2] / 16, shape[3] / 16]);
    t.ok(sameBits(await all.floats(), patchMaps(layers)), 'features of four layers, in order');
  });

t.test(
  'a segmentor gives the same features of the same backbone, also beside queries and masks',
  async (t) => {
    const folder = t.testdir();
    using alone = await SegmentationModel.load(await writeFormulaBackbone(folder));
    using segmentor = await SegmentationModel.load(await writeFormulaModel(folder));
    t.same(segmentor.provides, ['decoded', 'features', 'layer_features']);
    using images = Tensor.from(formulaTensor('image', [1, 3, 64, 96]).data, [1, 3, 64, 96]);
    const own = await (await alone.layerFeatures(images)).floats();
    t.ok(sameBits(await (await segmentor.layerFeatures(images)).floats(), own), 'features of four layers');
    const last = await (await alone.features(images)).floats();
    t.ok(sameBits(own.subarray(own.length - last.length), last), 'the last channels are those of features()');
    const all = await segmentor.outputs(images, [{ reads: 'decoded' }, { reads: 'layer_features' }]);
    using decoded = await segmentor.decode(images);
    t.ok(sameBits(await all.features!.floats(), own), 'one pass with queries and masks');
    t.ok(
      sameBits(await all.decoded!.queries.floats(), await decoded.queries.floats()),
      'the queries of decode',
    );
  },
);

for (const [layers, name, shape] of [
  [1, ...cases[0]],
  [1, ...cases[1]],
  [4, ...cases[0]],
] as const)
  t.test(`a linear head on ${layers} of ${name}'s layers gives the logits of plain arithmetic`, async (t) => {
    const folder = t.testdir();
    const model = await writeFormulaBackbone(folder, name);
    const { data } = formulaTensor('image', shape);
    using images = Tensor.from(data, shape);
    using network = await SegmentationModel.load(model);
    // Of one layer: what the reference gave.
    const taps = layers === 1 ? [formulaOutputs(name)['vit.3.patch']!] : await layersOf(network, images);
    const head = linearHead(7, 64 * layers);
    const expected = linearLogits(head, patchMaps(taps), shape);

    const file = await writeLinearHead(join(folder, 'model_final.pth'), head);
    using probe = await LinearProbe.import(file, { layers });
    const saved = join(folder, 'probe.safetensors');
    await probe.save(saved);
    using again = await LinearProbe.open(saved);
    t.match(again, { width: 64 * layers, layers, classes: 7 });

    const output = join(folder, 'out.safetensors');
    await forwardFile({ model, input: await writeImages(folder, { data, shape }), output, head: saved });
    const { tensors } = readSafetensors(output);
    t.same(Object.keys(tensors).sort(), ['features', 'layer_features', 'logits']);
    t.same(tensors['logits']!.shape, [shape[0], 7, shape[2], shape[3]]);
    close(t, 'logits', tensors['logits']!.data, expected, { rtol: 1e-5 });

    const exported = join(folder, 'exported.pt');
    await exportModel(network, again, exported);
    using whole = await SegmentationModel.load(exported);
    t.match(whole, { hidden: 0, classes: 0, provides: ['features', 'layer_features'] });
    close(t, 'logits of the exported file', await ownForward(whole, images), expected, { rtol: 1e-5 });
    const own = whole.ownHead();
    t.ok(own instanceof LinearProbe && own.layers === layers, 'the probe is its own head');
    t.match((own as LinearProbe).values, again.values);
    t.equal(own.metadata.modelId, whole.id);
    sameMap(
      t,
      await whole.segment(picture(70, 40), { imageSize: 64 }),
      await network.segment(picture(70, 40), { imageSize: 64, head: again }),
      'its class map',
    );
  });

t.test('a segmentor and a probe are exported as the backbone with the probe', async (t) => {
  const folder = t.testdir();
  using segmentor = await SegmentationModel.load(await writeFormulaModel(folder), { dtype: 'bfloat16' });
  using probe = await LinearProbe.from(linearHead(5, 64));
  const out = join(folder, 'exported.pt');
  await exportModel(segmentor, probe, out);
  const { tensors } = await engine().inspect(out);
  t.same(
    tensors.filter(({ name }) => !name.startsWith('segmentation_model.0.backbone.')).map(({ name }) => name),
    [
      ...['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'].map(
        (name) => `segmentation_model.1.batchnorm_layer.${name}`,
      ),
      ...['weight', 'bias'].map((name) => `segmentation_model.1.conv.${name}`),
    ],
  );
  using exported = await SegmentationModel.load(out);
  t.equal(exported.dtype, 'bfloat16');
  for (const mode of ['whole', 'slide'] as const)
    sameMap(
      t,
      await exported.segment(picture(150, 90), { imageSize: 64, mode }),
      await segmentor.segment(picture(150, 90), { imageSize: 64, mode, head: probe }),
      mode,
    );
});

t.test('a converted linear head is the own head of the network', async (t) => {
  const folder = t.testdir();
  const { backbone } = await writeFormulaCheckpoints(folder);
  const values = linearHead(4, 64);
  const head = await writeLinearHead(join(folder, 'model_final.pth'), values);
  const out = join(folder, 'model.pt');
  const plan = await convert({ backbone, head, out });
  t.match(plan, { network: 'backbone', dims: { classes: 4 }, headKeys: 7 });
  using model = await SegmentationModel.load(out);
  t.match((model.ownHead() as LinearProbe).values, values);
});

t.test('a cast network is the one that convert makes', async (t) => {
  const folder = t.testdir();
  using exact = await SegmentationModel.load(await writeFormulaBackbone(folder));
  using cast = await SegmentationModel.load(exact.path, { dtype: 'bfloat16' });
  using converted = await SegmentationModel.load(
    await writeFormulaBackbone(folder, 'seg-swiglu', 'bfloat16'),
  );
  using images = Tensor.from(formulaTensor('image', [1, 3, 64, 96]).data, [1, 3, 64, 96]);
  const values = await (await cast.features(images)).floats();
  t.ok(sameBits(values, await (await converted.features(images)).floats()));
  close(t, 'near float32', values, await (await exact.features(images)).floats(), { rtol: 0.05 });
});

t.test('random backbones have the weights of the segmentor with their seed', async (t) => {
  const folder = t.testdir();
  const out = join(folder, 'backbone.pt');
  const plan = await initModel({ arch: 'tiny-backbone', out, seed: 5 });
  t.match(plan, { network: 'backbone', dims: { embedDim: 64, depth: 4, classes: 0 }, backboneKeys: 70 });
  using images = Tensor.from(new Float32Array(3 * 64 * 64).fill(0.5), [1, 3, 64, 64]);
  using file = await SegmentationModel.load(out);
  using made = await SegmentationModel.init({ arch: 'tiny-backbone', seed: 5 });
  using segmentor = await SegmentationModel.init({ arch: 'tiny', seed: 5 });
  const [a, b, c] = [
    await file.features(images),
    await made.features(images),
    await segmentor.features(images),
  ];
  t.ok(sameBits(await a.floats(), await c.floats()), 'of a file');
  t.ok(sameBits(await b.floats(), await c.floats()), 'of none');
  t.equal(file.parameters, plan.parameters);
});

t.test('backbones have the parameters that are published', (t) => {
  const millions = backboneArchitectures.slice(0, 6).map((name) => {
    const { parameters } = engine().planArchitecture(name) as BackbonePlan;
    return [name, Math.round(parameters / 1e6)];
  });
  t.same(Object.fromEntries(millions), {
    dinov3_vit7b16: 6716,
    dinov3_vith16plus: 841,
    dinov3_vitl16: 303,
    dinov3_vitb16: 86,
    dinov3_vits16plus: 29,
    dinov3_vits16: 22,
  });
  t.end();
});

t.test('its parts are the backbone, and a detector shares it', async (t) => {
  const folder = t.testdir();
  const [backbone, detector] = [join(folder, 'backbone.pt'), join(folder, 'detector.pt')];
  await initModel({ arch: 'tiny-backbone', out: backbone });
  await initModel({ arch: 'tiny-detector', out: detector });
  using model = await SegmentationModel.load(backbone, { device: 'cpu' });
  using images = Tensor.from(new Float32Array(3 * 96 * 96), [1, 3, 96, 96]);
  t.same(Object.keys(await engine().partTimes(model.handle, images.handle, { repeat: 1 })), ['backbone']);
  using apart = await DetectionModel.load(detector, { device: 'cpu' });
  using sharing = await DetectionModel.load(detector, { shareWith: model });
  const of = (models: { handle: Parameters<ReturnType<typeof engine>['storageBytes']>[0][number] }[]) =>
    engine().storageBytes(models.map(({ handle }) => handle));
  t.equal(of([model, sharing]), of([apart]), 'the backbone is in memory once');
  const [own, shared] = [await apart.features(images), await sharing.features(images)];
  t.ok(sameBits(await own.floats(), await shared.floats()));
});

for (const feedForward of ['swiglu', 'mlp'] as const) {
  const skip = skipWithout(`golden/linear/${feedForward}.pth`);
  for (const source of [`hf/${feedForward}`, `seg-${feedForward}/backbone.pth`])
    t.test(`the reference's linear head on ${source}`, { skip }, (t) => golden(t, feedForward, source));
}

for (const name of ['swiglu', 'mlp'] as const) {
  const skip = skipWithout(`golden/hf/${name}/model.safetensors`);
  t.test(
    `the last tokens of Hugging Face's ${name} network, and the reference's four layers`,
    { skip },
    async (t) => {
      const folder = t.testdir();
      const of = (path: string) => join(shared, 'golden', path);
      const out = join(folder, 'model.pt');
      await convert({ backbone: of(`hf/${name}`), out });
      using model = await SegmentationModel.load(out);
      const theirs = readSafetensors(of(`hf/${name}/case0.safetensors`)).tensors;
      using image = Tensor.from(theirs['image']!.data, theirs['image']!.shape);
      const { data, shape } = theirs['last_hidden_state']!;
      const [batch, tokens, width] = shape as [number, number, number];
      using features = await model.features(image);
      const patches = features.shape[2]! * features.shape[3]!;
      const last = new Float32Array(batch * patches * width);
      for (let b = 0; b < batch; b++)
        last.set(
          (data as Float32Array).subarray((b * tokens + tokens - patches) * width, (b + 1) * tokens * width),
          b * patches * width,
        );
      const expected = patchMaps([{ shape: [batch, patches, width], data: last }]);
      close(t, 'features', await features.floats(), expected, { rtol: 1e-5 });

      const reference = readSafetensors(of(`seg-${name}/case0.safetensors`)).tensors;
      using other = Tensor.from(reference['image']!.data, reference['image']!.shape);
      using layers = await model.layerFeatures(other);
      const taps = [0, 1, 2, 3].map((i) => reference[`vit.${i}.patch`]!);
      close(t, 'features of four layers', await layers.floats(), patchMaps(taps), { rtol: 1e-5 });
    },
  );
}

async function golden(t: Test, name: string, source: string): Promise<void> {
  const folder = t.testdir();
  const of = (path: string) => join(shared, 'golden', path);
  const model = join(folder, 'model.pt');
  await convert({ backbone: of(source), out: model });
  const [head, input] = [of(`linear/${name}.pth`), of(`linear/${name}.case0.safetensors`)];
  const output = join(folder, 'out.safetensors');
  await forwardFile({ model, input, output, head });
  const { tensors } = readSafetensors(input);
  const expected = tensors['logits']!.data;
  close(t, 'logits', readSafetensors(output).tensors['logits']!.data, expected, { rtol: 1e-5 });

  using network = await SegmentationModel.load(model);
  using probe = await openHead(head);
  const exported = join(folder, 'exported.pt');
  await exportModel(network, probe, exported);
  using whole = await SegmentationModel.load(exported);
  const { data, shape } = tensors['image']!;
  using images = Tensor.from(data, shape);
  close(t, 'logits of the exported file', await ownForward(whole, images), expected, { rtol: 1e-5 });
}
