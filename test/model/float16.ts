/** The pixel decoder in float16: on the CPU by a hook for tests, as precision float16 has it on CUDA. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert, exportModel } from '../../lib/model/convert.js';
import { initModel } from '../../lib/model/init-model.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { ModelHandle, NetworkPlacement, NetworkPrecision } from '../../lib/native/bindings/engine.js';
import { relativeError, sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';
import { rangeWarnings, scaledModel } from '../helpers/float16.js';
import { writeFormulaModel } from '../helpers/network.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

async function load(path: string, precision: NetworkPrecision, more: Partial<NetworkPlacement> = {}) {
  const float16 = precision === 'float16';
  const handle = await engine().loadModel(path, {
    ...{ device: 'cpu', dtype: 'bfloat16', precision, cudaGraphs: false, ...more },
  });
  if (float16) await engine().useFloat16(handle);
  return handle;
}

async function outputsOf(model: ModelHandle, { data, shape }: Stored) {
  using images = Tensor.from(data, shape);
  const { queries, masks } = await engine().outputs(model, images.handle, { decoded: true, features: 0 });
  return { queries: await Tensor.wrap(queries!).floats(), masks: await Tensor.wrap(masks!).floats() };
}

/** Errors of float16 against the decoder in float32, with the largest magnitude. All else is float32: bfloat16 would blur them. */
async function checkErrors(t: Test, path: string, image: Stored) {
  const [exact, float16] = [
    await load(path, 'tf32', { dtype: 'float32' }),
    await load(path, 'float16', { dtype: 'float32' }),
  ];
  const [truth, half] = [await outputsOf(exact, image), await outputsOf(float16, image)];
  for (const part of ['queries', 'masks'] as const) {
    const error = relativeError(half[part], truth[part]);
    t.comment(`${part}: ${error}`);
    t.ok(error > 0, 'float16 is not float32');
    t.ok(error < 1e-2, `${part}: ${error}`);
  }
  const { largest, passes, runAgain } = engine().modelInfo(float16).float16!;
  t.comment(`largest magnitude: ${largest}`);
  t.same([passes, runAgain], [1, 0]);
  t.ok(largest > 1 && largest < 6550, `${largest} is far from the end of the range`);
}

for (const [name, shape] of [
  ['seg-swiglu', [1, 3, 64, 96]],
  ['seg-mlp', [2, 3, 64, 32]],
] as const)
  t.test(`${name} with formula weights: float16 is near float32`, async (t) => {
    await checkErrors(t, await writeFormulaModel(t.testdir(), name), formulaTensor('image', shape));
  });

for (const name of ['seg-swiglu/case0', 'seg-swiglu/case1', 'seg-mlp/case0']) {
  const skip = skipWithout(`golden/${name}.safetensors`);
  t.test(`${name} from .pth files: the same`, { skip }, async (t) => {
    const folder = join(shared, 'golden', name, '..');
    const out = join(t.testdir(), 'model.pt');
    await convert({ backbone: join(folder, 'backbone.pth'), head: join(folder, 'head.pth'), out });
    await checkErrors(
      t,
      out,
      readSafetensors(join(shared, 'golden', `${name}.safetensors`)).tensors['image']!,
    );
  });
}

const image = formulaTensor('image', [1, 3, 64, 64]);

t.test('a pass whose values float16 cannot hold is run again, with one warning a network', async (t) => {
  const path = await scaledModel(t.testdir(), 'input_convs.0.1.weight', 1e7);
  const [exact, float16] = [await load(path, 'tf32'), await load(path, 'float16')];
  const truth = await outputsOf(exact, image);
  const copy = await engine().copyModel(float16, { device: 'cpu', replica: 1 });
  const texts = await rangeWarnings(async () => {
    for (const model of [float16, float16, copy]) {
      const outputs = await outputsOf(model, image);
      t.ok(sameBits(outputs.masks, truth.masks), 'masks');
      t.ok(sameBits(outputs.queries, truth.queries), 'queries');
    }
  });
  t.equal(texts.length, 1);
  t.match(
    texts[0],
    /scaled\.pt: a value of the decoder .* in float16, which holds up to 65504.*--precision tf32/,
  );
  t.match(engine().modelInfo(copy).float16, { largest: 0, passes: 3, runAgain: 3 });
});

t.test('streamed weights give the same bits, in copies too, also where a pass is run again', async (t) => {
  const folder = t.testdir();
  const plain = await writeFormulaModel(folder, 'seg-swiglu');
  const scaled = await scaledModel(folder, 'input_convs.0.1.weight', 1e7);
  for (const path of [plain, scaled]) {
    const texts = await rangeWarnings(async () => {
      const expected = await outputsOf(await load(path, 'float16'), image);
      const streamed = await load(path, 'float16', { residentBlocks: 1 });
      t.ok(engine().modelInfo(streamed).streamedBlocks > 0);
      const sizes = await engine().networkSizes(path, 'bfloat16', 'float16');
      const planned =
        sizes.otherBytes + sizes.ringBytes + sizes.residentBytes[1]! + 2 * sizes.pixelDecoderWeights;
      t.ok(engine().storageBytes([streamed]) <= planned, 'no more than the plan counts');
      const copy = await engine().copyModel(streamed, { device: 'cpu', replica: 1 });
      for (const model of [streamed, copy, streamed]) {
        const { masks, queries } = await outputsOf(model, image);
        t.ok(sameBits(masks, expected.masks), 'masks');
        t.ok(sameBits(queries, expected.queries), 'queries');
      }
    });
    t.equal(texts.length, path === scaled ? 2 : 0);
  }
});

t.test('weights that float16 has of its own, and those of folded chains, are not copied', async (t) => {
  const path = join(t.testdir(), 'tiny.pt');
  await initModel({ arch: 'tiny', seed: 3, dtype: 'bfloat16', out: path });
  const copied: number[] = [];
  for (const precision of ['reference', 'tf32', 'float16'] as const) {
    const streamed = await load(path, precision, { dtype: 'stored', residentBlocks: 0 });
    const { streamedBytes } = engine().modelInfo(streamed);
    const { blocksBytes, copiedDecoderBytes } = await engine().networkSizes(path, 'stored', precision);
    t.equal(streamedBytes, blocksBytes + copiedDecoderBytes, precision);
    copied.push(streamedBytes);
  }
  t.ok(copied[0]! > copied[1]! && copied[1]! > copied[2]!, `${copied.join(', ')}`);
});

t.test('a value that is no number is one that float16 cannot hold', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'seg-shallow');
  const [exact, float16] = [await load(path, 'tf32'), await load(path, 'float16')];
  const broken = { shape: image.shape, data: Float32Array.from(image.data as Float32Array).fill(NaN, 0, 1) };
  const texts = await rangeWarnings(async () => {
    t.ok(sameBits((await outputsOf(float16, broken)).masks, (await outputsOf(exact, broken)).masks));
    const { masks } = await outputsOf(float16, image);
    t.ok(masks.every(Number.isFinite), 'the next pass has a range of its own');
  });
  t.match(texts, [/is infinite or no number/]);
  t.match(engine().modelInfo(float16).float16, { passes: 2, runAgain: 1 });
});

t.test('a weight that float16 cannot hold leaves the network without it', async (t) => {
  const path = await scaledModel(t.testdir(), 'mask_feature.weight', 1e8);
  const exact = await load(path, 'tf32');
  let float16: ModelHandle | undefined;
  const texts = await rangeWarnings(async () => {
    float16 = await load(path, 'float16');
  });
  t.match(texts, [
    /a weight of the decoder is infinite .* computes in TF32 instead, as with --precision tf32/,
  ]);
  t.equal(engine().modelInfo(float16!).float16, undefined);
  t.ok(sameBits((await outputsOf(float16!, image)).masks, (await outputsOf(exact, image)).masks));
});

t.test('features alone are not counted as a pass', async (t) => {
  const float16 = await load(await writeFormulaModel(t.testdir(), 'seg-shallow'), 'float16');
  using images = Tensor.from(image.data, image.shape);
  await engine().outputs(float16, images.handle, { decoded: false, features: 1 });
  t.equal(engine().modelInfo(float16).float16!.passes, 0);
});

t.test('copies share the weights in float16, and streamed blocks give the same bits', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'seg-shallow');
  const [whole, plain] = [await load(path, 'float16'), await load(path, 'tf32')];
  const bytes = (...models: ModelHandle[]) => engine().storageBytes(models);
  t.ok(bytes(whole) > bytes(plain), 'they are there beside the others');
  const copy = await engine().copyModel(whole, { device: 'cpu', replica: 1 });
  t.equal(bytes(whole, copy), bytes(whole));
  const streamed = await load(path, 'float16', { residentBlocks: 0 });
  const streamedCopy = await engine().copyModel(streamed, { device: 'cpu', replica: 1 });
  const truth = await outputsOf(whole, image);
  for (const [name, model] of Object.entries({ copy, streamed, streamedCopy }))
    t.ok(sameBits((await outputsOf(model, image)).masks, truth.masks), name);
});

t.test('parts are timed in float16', async (t) => {
  const float16 = await load(await writeFormulaModel(t.testdir(), 'seg-shallow'), 'float16');
  using images = Tensor.from(image.data, image.shape);
  const times = await engine().partTimes(float16, images.handle, { repeat: 1 });
  t.ok(times['pixel_decoder']! > 0);
});

t.test('a file that is exported has the weights as they were', async (t) => {
  const folder = t.testdir();
  const path = await writeFormulaModel(folder, 'seg-shallow');
  const files: Buffer[] = [];
  for (const float16 of [false, true]) {
    using model = await SegmentationModel.load(path, { device: 'cpu', dtype: 'bfloat16' });
    if (float16) await engine().useFloat16(model.handle);
    using head = ClassHead.ofModel(model);
    const out = join(folder, `exported-${float16}.pt`);
    await exportModel(model, head, out);
    files.push(readFileSync(out));
  }
  t.ok(files[0]!.equals(files[1]!));
});

t.test('a network without a pixel decoder, and one on the CPU, have no float16', async (t) => {
  using eomt = await SegmentationModel.init({ arch: 'tiny-eomt', seed: 1, dtype: 'bfloat16', device: 'cpu' });
  await engine().useFloat16(eomt.handle);
  t.equal(eomt.float16, undefined);
  using tiny = await SegmentationModel.init({
    ...{ arch: 'tiny', seed: 1, dtype: 'bfloat16', precision: 'float16', device: 'cpu' },
  });
  t.equal(tiny.precision, 'float16');
  t.equal(tiny.float16, undefined);
});
