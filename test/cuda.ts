/** What must hold on a CUDA device as well; skips where none answers. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClassHead } from '../lib/model/class-head.js';
import { convert } from '../lib/model/convert.js';
import { DetectionModel } from '../lib/model/detection-model.js';
import { initModel } from '../lib/model/init-model.js';
import { normalizations } from '../lib/model/normalization.js';
import { BatchRunner } from '../lib/model/pass-size.js';
import type { LoadOptions } from '../lib/model/load-options.js';
import { SegmentationModel } from '../lib/model/segmentation-model.js';
import { Tensor } from '../lib/model/tensor.js';
import { engine } from '../lib/native/engine.js';
import type { NetworkPrecision } from '../lib/native/bindings/engine.js';
import { readSafetensors } from './helpers/safetensors.js';
import { close, relativeError } from './helpers/close.js';
import { formulaOutputs, formulaTensor } from './helpers/formula.js';
import { writeFormulaModel } from './helpers/network.js';
import { agreement } from './helpers/passes.js';
import { createRandom } from './helpers/random-values.js';
import { picture } from './helpers/tiny-network.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const device = 'cuda';

for (const [name, shape] of [
  ['seg-swiglu', [1, 3, 64, 96]],
  ['seg-mlp', [2, 3, 64, 32]],
] as const) {
  t.test(`${name} in float32 on CUDA is the reference's network`, { skip }, async (t) => {
    using model = await SegmentationModel.load(await writeFormulaModel(t.testdir(), name), { device });
    t.equal(model.device, 'cuda:0');
    using images = Tensor.from(formulaTensor('image', shape).data, shape);
    const { queries, predLogits, predMasks } = await model.forward(images);
    const expected = formulaOutputs(name);
    for (const [key, tensor] of [
      ['predictor.queries', queries],
      ['pred_logits', predLogits],
      ['pred_masks', predMasks],
    ] as const)
      close(t, key, await tensor.floats(), expected[key]!.data as Float32Array, { rtol: 1e-5 });
  });
}

t.test('an EoMT network on CUDA, its kernels and recorded passes', { skip }, async (t) => {
  const folder = join(import.meta.dirname, 'fixtures/eomt');
  const out = join(t.testdir(), 'eomt.pt');
  await convert({ backbone: folder, out });
  const { tensors } = readSafetensors(join(folder, 'case0.safetensors'));
  using images = Tensor.from(tensors['image']!.data, tensors['image']!.shape);
  using model = await SegmentationModel.load(out, { device });
  const { queries, predLogits, predMasks } = await model.forward(images);
  for (const [key, tensor] of [
    ['queries', queries],
    ['pred_logits', predLogits],
    ['pred_masks', predMasks],
  ] as const)
    close(t, key, await tensor.floats(), tensors[key]!.data as Float32Array, { rtol: 1e-5 });

  const options = { arch: 'dinov3_vits16_eomt', seed: 1, device } as const;
  const shape = [2, 3, 128, 192];
  using scenes = Tensor.from(
    Float32Array.from({ length: 2 * 3 * 128 * 192 }, (_, i) => Math.sin(i / 90) * 2),
    shape,
  );
  const masksOf = async (model: SegmentationModel) => {
    using decoded = await model.decode(scenes);
    return decoded.masks.floats();
  };
  using exact = await SegmentationModel.init(options);
  using rounded = await SegmentationModel.init({ ...options, dtype: 'bfloat16' });
  using plain = await SegmentationModel.init({ ...options, dtype: 'bfloat16', cudaGraphs: false });
  const [a, b, c] = [await masksOf(exact), await masksOf(rounded), await masksOf(plain)];
  close(t, 'masks in bfloat16', b, a, { rtol: 0.1 });
  close(t, 'without recorded passes', c, b, { rtol: 1e-6 });
});

t.test('bfloat16 weights on CUDA stay near float32', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  using images = Tensor.from(formulaTensor('image', [1, 3, 64, 96]).data, [1, 3, 64, 96]);
  using exact = await SegmentationModel.load(path, { device });
  using rounded = await SegmentationModel.load(path, { device, dtype: 'bfloat16' });
  t.equal(rounded.dtype, 'bfloat16');
  const [a, b] = [await exact.decode(images), await rounded.decode(images)];
  close(t, 'queries', await b.queries.floats(), await a.queries.floats(), { rtol: 0.1 });
});

t.test('TF32 and float16 add little to the errors of bfloat16 weights', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  const inputs = Array.from({ length: 301 }, (_, i) => {
    const random = createRandom(i);
    const shape = [1, 3, 64, 96];
    return i === 0
      ? Tensor.from(formulaTensor('image', shape).data, shape)
      : Tensor.from(
          Float32Array.from({ length: 3 * 64 * 96 }, () => 4 * random() - 2),
          shape,
        );
  });
  const outputsOf = async (options: LoadOptions) => {
    using model = await SegmentationModel.load(path, { device, ...options });
    const outputs: Float32Array[][] = [];
    for (const input of inputs) {
      const { predLogits, predMasks } = await model.forward(input);
      outputs.push([await predLogits.floats(), await predMasks.floats()]);
    }
    return outputs;
  };
  const exact = await outputsOf({ dtype: 'float32' });
  // Of the images: where a mask is near one half, a query attends elsewhere, and one image's errors jump.
  const medianErrors = async (precision: NetworkPrecision) => {
    const outputs = await outputsOf({ dtype: 'bfloat16', precision });
    return [0, 1].map((part) => {
      const errors = outputs.map((values, i) => relativeError(values[part]!, exact[i]![part]!));
      return errors.sort((a, b) => a - b)[inputs.length >> 1]!;
    });
  };
  const reference = await medianErrors('reference');
  for (const precision of ['tf32', 'float16'] as const) {
    const errors = await medianErrors(precision);
    t.comment(`class logits and masks: ${precision} ${errors.join(', ')}; reference ${reference.join(', ')}`);
    errors.forEach((error, i) => t.ok(error <= 1.1 * reference[i]!, `${error} and ${reference[i]}`));
  }
  inputs.forEach((input) => input.dispose());
});

async function trained(t: Test, path: string, where: string): Promise<Float32Array> {
  using model = await SegmentationModel.load(path, { device: where });
  const golden = formulaOutputs('train');
  const labels = golden['labels']!.data as Uint8Array;
  using head = ClassHead.create({ hidden: 64, classes: 26, precision: 'float32', device: where });
  const { optimizer, dWeight, dBias } = await head.state();
  const weight = formulaTensor('init.weight', [26, 64]).data;
  await head.restore({ weight, bias: new Float32Array(26), dWeight, dBias, optimizer });
  const losses: number[] = [];
  const recorded = golden['fast.loss']!.data as Float64Array;
  for (let step = 0; step < recorded.length; step++) {
    using image = Tensor.from(formulaTensor(`image.${step % 3}`, [1, 3, 64, 96]).data, [1, 3, 64, 96]);
    using label = Tensor.from(labels.slice((step % 3) * 6144, ((step % 3) + 1) * 6144), [1, 64, 96]);
    using decoded = await model.decode(image);
    losses.push((await head.accumulate(decoded, label)).loss);
    const learningRate = (2e-3 * (1 + Math.cos((Math.PI * step) / recorded.length))) / 2;
    await head.step({ learningRate, weightDecay: 1e-4 });
  }
  close(t, `losses on ${where}`, losses, recorded, { rtol: 1e-5 });
  return (await head.state()).weight;
}

t.test('training on CUDA gives the recorded losses and weights', { skip }, async (t) => {
  const weight = await trained(t, await writeFormulaModel(t.testdir()), device);
  close(t, 'weight', weight, formulaOutputs('train')['fast.weight']!.data as Float32Array, { rtol: 1e-5 });
});

t.test('a class map from CUDA is the one from the CPU', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  const random = createRandom(1);
  const image = {
    data: Uint8Array.from({ length: 150 * 200 * 3 }, () => random() * 256),
    width: 200,
    height: 150,
  };
  const maps: Uint8Array[][] = [];
  for (const where of ['cpu', device]) {
    using model = await SegmentationModel.load(path, { device: where });
    const maps_ = [];
    for (const mode of ['whole', 'slide'] as const)
      maps_.push((await model.segment(image, { mode, imageSize: 96, scoring: 'ade20k' })).data);
    maps.push(maps_);
  }
  t.ok(agreement(maps[0]![0]!, maps[1]![0]!) > 0.999, 'whole');
  t.ok(agreement(maps[0]![1]!, maps[1]![1]!) > 0.999, 'sliding windows');
});

t.test('a detector on another device than the segmentor cannot take its backbone', { skip }, async (t) => {
  const folder = t.testdir();
  const seed = 1;
  const [segmentorPath, detectorPath] = [join(folder, 'segmentor.pt'), join(folder, 'detector.pt')];
  await initModel({ arch: 'tiny', seed, out: segmentorPath });
  await initModel({ arch: 'tiny-detector', seed, out: detectorPath });
  using segmentor = await SegmentationModel.load(segmentorPath, { device: 'cuda:0' });
  const refusal = { code: 'DEVICE', message: /cpu.*cuda:0|cuda:0.*cpu/ };
  const elsewhere = { device: 'cpu', shareWith: segmentor } as const;
  await t.rejects(DetectionModel.load(detectorPath, elsewhere), refusal);
  await t.rejects(DetectionModel.init({ arch: 'tiny-detector', seed, ...elsewhere }), refusal);
  using detector = await DetectionModel.load(detectorPath, { shareWith: segmentor });
  t.equal(detector.device, 'cuda:0', "the segmentor's by itself");
});

t.test('prepared images are on the device asked for, with the same values', { skip }, async (t) => {
  const random = createRandom(2);
  const image = {
    data: Uint8Array.from({ length: 50 * 70 * 3 }, () => random() * 256),
    width: 70,
    height: 50,
  };
  const options = { width: 64, height: 32, normalization: normalizations.lvd };
  const onCpu = Tensor.wrap(await engine().prepareImages([image], { ...options, device: 'cpu' }));
  const onCuda = Tensor.wrap(await engine().prepareImages([image], { ...options, device }));
  t.equal(onCuda.device, 'cuda:0');
  close(t, 'values', await onCuda.floats(), await onCpu.floats(), { atol: 1e-5 });
});

t.test('a CUDA device that is not there is an error, never another device', async (t) => {
  await t.rejects(SegmentationModel.load('any.pt', { device: 'cuda:99' }), { code: 'DEVICE' });
  t.throws(() => ClassHead.create({ hidden: 4, classes: 2, device: 'cuda:99' }), { code: 'DEVICE' });
});

t.test(
  'passes take several images by themselves, whose class maps are those of single ones',
  { skip },
  async (t) => {
    using model = await SegmentationModel.load(await writeFormulaModel(t.testdir()), { device });
    t.equal(BatchRunner.of(model, { width: 64, height: 64 }, {}).size, 8, 'a small network');
    const vast = { ...model, device: model.device, width: 1e6 };
    t.equal(BatchRunner.of(vast, { width: 4096, height: 4096 }, {}).size, 1, 'a vast one');
    const images = [picture(90, 70), picture(64, 64), picture(40, 130)];
    for (const mode of ['whole', 'slide'] as const) {
      const together = await model.segmentBatch(images, { mode, imageSize: 64, passSize: 3 });
      for (const [i, image] of images.entries()) {
        const alone = await model.segment(image, { mode, imageSize: 64 });
        t.ok(agreement(together[i]!.data, alone.data) > 0.999, `${mode}, image ${i}`);
      }
    }
  },
);

t.test('passes that are repeated as graphs give what ordinary ones give, by size', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  using plain = await SegmentationModel.load(path, { device, cudaGraphs: false });
  using model = await SegmentationModel.load(path, { device });
  for (const width of [64, 96, 64, 128, 160, 192, 224, 64]) {
    for (const seed of [1, 2, 3]) {
      const random = createRandom(seed);
      const values = Float32Array.from({ length: 3 * 64 * width }, () => random() * 4 - 2);
      using images = Tensor.from(values, [1, 3, 64, width]);
      using expected = await plain.decode(images);
      using actual = await model.decode(images);
      close(t, `${width}, ${seed}`, await actual.masks.floats(), await expected.masks.floats(), {
        rtol: 1e-6,
      });
    }
  }
});
