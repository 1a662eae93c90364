/**
 * Networks whose backbone is in e4m3. The library has them on GPUs alone; here the engine runs them on the CPU, where the same
 * operators are float32 products of the rounded values. On a GPU: test/model/fp8-cuda.ts.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { exportModel } from '../../lib/model/convert.js';
import { initModel } from '../../lib/model/init-model.js';
import { checkPrecision } from '../../lib/model/network-precision.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { ModelHandle, NetworkPlacement, TensorHandle } from '../../lib/native/bindings/engine.js';
import { relativeError, sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaModel } from '../helpers/network.js';
import { countOperator } from '../helpers/operators.js';

const e = engine();
const folder = t.testdir();
const file = (name: string) => join(folder, `${name}.pt`);
const fp8: NetworkPlacement = { device: 'cpu', dtype: 'stored', precision: 'fp8', cudaGraphs: false };
const exact: NetworkPlacement = { ...fp8, precision: 'tf32' };
const imagesOf = (...shape: number[]) => Tensor.from(formulaTensor('image', shape).data, shape);
const images = imagesOf(1, 3, 64, 96);
const wanted = { decoded: false, features: 1 } as const;

for (const arch of ['tiny', 'tiny-eomt', 'tiny-backbone', 'tiny-detector'] as const)
  await initModel({ arch: arch as 'tiny', seed: 5, dtype: 'bfloat16', out: file(arch) });

const floats = (handle: TensorHandle) => Tensor.wrap(handle).floats();

async function outputsOf(model: ModelHandle): Promise<Record<string, Float32Array>> {
  const parts = e.modelInfo(model).provides;
  const outputs: Record<string, Float32Array> = {};
  if (parts.includes('features')) {
    const { features } = await e.outputs(model, images.handle, wanted);
    outputs['features'] = await floats(features!);
  }
  if (parts.includes('decoded')) {
    const { predLogits, predMasks } = await e.forward(model, images.handle);
    outputs['logits'] = await floats(predLogits);
    outputs['masks'] = await floats(predMasks);
  }
  return outputs;
}

type Outputs = Record<string, Float32Array>;
function checkSame(t: Test, found: Outputs, expected: Outputs, name: string): void {
  t.same(Object.keys(found), Object.keys(expected));
  for (const key of Object.keys(expected)) t.ok(sameBits(found[key]!, expected[key]!), `${name}: ${key}`);
}

// A step of e4m3 is an eighth to a sixteenth of the value, and errors of a product's terms cancel.
const allowed: Record<string, number> = { features: 0.1, logits: 0.25, masks: 0.25 };

for (const [name, options, path] of [
  ['tiny', {}, () => file('tiny')],
  ['tiny-eomt', {}, () => file('tiny-eomt')],
  ['tiny-backbone', {}, () => file('tiny-backbone')],
  ['a network with a gelu', { dtype: 'bfloat16' }, (t: Test) => writeFormulaModel(t.testdir(), 'seg-mlp')],
] as const)
  t.test(`${name}: near to bfloat16, and not the same`, async (t) => {
    const from = await path(t);
    const expected = await outputsOf(await e.loadModel(from, { ...exact, ...options }));
    const found = await outputsOf(await e.loadModel(from, { ...fp8, ...options }));
    t.same(Object.keys(found), Object.keys(expected));
    for (const [key, values] of Object.entries(found)) {
      const error = relativeError(values, expected[key]!);
      t.ok(error > 1e-4 && error < allowed[key]!, `${key}: ${error}`);
    }
  });

t.test('the inner blocks hold a byte a weight, and a scale a row', async (t) => {
  const sizes = await e.networkSizes(file('tiny'), 'stored', 'fp8');
  const whole = await e.networkSizes(file('tiny'), 'stored', 'tf32');
  t.equal(sizes.blocks, 4);
  const block = whole.blocksBytes / 4;
  // Blocks 0 and 3 are in bfloat16. With one resident it is 3, with two 1 and 3, with three all but 0.
  t.same(sizes.residentBytes, [0, block, 1.5 * block, 2 * block, 3 * block]);
  t.equal(sizes.blocksBytes, 3 * block, 'two of four blocks halved');
  const { decoderBytes, ringBytes, otherBytes } = whole;
  t.match(sizes, { decoderBytes, ringBytes, otherBytes, dtype: 'bfloat16' });
  const model = await e.loadModel(file('tiny'), fp8);
  // qkv, proj, w1, w2 and w3 of width 64 and hidden width 128.
  const rows = 192 + 64 + 128 + 128 + 64;
  const kept = otherBytes + 2 * rows * 4;
  t.equal(e.storageBytes([model]), sizes.blocksBytes + decoderBytes + kept);
  const streamed = await e.loadModel(file('tiny'), { ...fp8, residentBlocks: 0 });
  t.equal(e.storageBytes([streamed]), ringBytes + kept, 'the scales are not streamed');
  t.equal(e.modelInfo(streamed).streamedBytes, sizes.blocksBytes + whole.copiedDecoderBytes);
  t.ok(sizes.copiedDecoderBytes < whole.copiedDecoderBytes, 'on a GPU float16 has weights of its own');
  const plain = await e.loadModel(file('tiny'), exact);
  const { parameters, dtype } = e.modelInfo(plain);
  t.match(e.modelInfo(model), { parameters, dtype, streamedBlocks: 0 });
});

t.test('inputs come quantised from norms and SwiGLU, and are quantised once', async (t) => {
  const count = (precision: 'fp8' | 'reference', name: string) =>
    countOperator(file('tiny'), precision, 'features', name);
  for (const [name, inFp8, without] of [
    // Two of four blocks, each with qkv, proj, w1, w2 and w3; and the patches' embedding.
    ['dinov3_seg::scaled_linear', 10, 0],
    ['aten::linear', 11, 21],
    ['dinov3_seg::add_scaled_norm_quantized', 4, 0],
    // Of the other two, and of the four layers that may be asked for.
    ['dinov3_seg::add_scaled_norm', 8, 12],
    ['dinov3_seg::swiglu_quantized', 2, 0],
    ['dinov3_seg::swiglu', 2, 4],
    // What attention gives.
    ['dinov3_seg::quantize_rows', 2, 0],
  ] as const) {
    t.equal(await count('fp8', name), inFp8, `${name} in fp8`);
    t.equal(await count('reference', name), without, `${name} without`);
  }
});

t.test('methods that decode run the quantised blocks too, with the chains multiplied out', async (t) => {
  for (const method of ['forward', 'decode', 'decode_with_features', 'taps']) {
    const count = (precision: 'fp8' | 'tf32', name: string) =>
      countOperator(file('tiny'), precision, method, name);
    t.equal(await count('fp8', 'dinov3_seg::scaled_linear'), 10, method);
    const linears = await count('tf32', 'aten::linear');
    t.equal(await count('fp8', 'aten::linear'), linears - 10, `${method}: all else is as by default`);
    const ofFile = await countOperator(file('tiny'), 'reference', method, 'aten::linear');
    t.equal(linears < ofFile, method !== 'taps', `${method}: ${linears} linears, ${ofFile} of the file`);
  }
});

t.test('the same bits by every method, from a copy, streamed, and part by part', async (t) => {
  const model = await e.loadModel(file('tiny'), fp8);
  const expected = await outputsOf(model);
  checkSame(t, await outputsOf(model), expected, 'twice');
  const both = await e.outputs(model, images.handle, { decoded: true, features: 1 });
  t.ok(sameBits(await floats(both.features!), expected['features']!), 'features beside the decoder');
  checkSame(
    t,
    await outputsOf(await e.copyModel(model, { device: 'cpu', replica: 1 })),
    expected,
    'a replica',
  );
  for (const residentBlocks of [0, 1, 3]) {
    const streamed = await e.loadModel(file('tiny'), { ...fp8, residentBlocks });
    t.equal(e.modelInfo(streamed).streamedBlocks, 4 - residentBlocks);
    checkSame(t, await outputsOf(streamed), expected, `${residentBlocks} blocks resident`);
    const copy = await e.copyModel(streamed, { device: 'cpu', replica: 1 });
    checkSame(t, await outputsOf(copy), expected, `a replica with ${residentBlocks} blocks resident`);
  }
  const { backbone } = await e.partTimes(model, images.handle, { repeat: 1 });
  t.ok(backbone > 0);
  checkSame(t, await outputsOf(model), expected, 'after its parts were timed');
});

t.test('the pixel decoder is in float16 on a GPU: here by the hook for tests', async (t) => {
  const model = await e.loadModel(file('tiny'), fp8);
  const wide = await outputsOf(model);
  await e.useFloat16(model);
  const expected = await outputsOf(model);
  t.ok(sameBits(expected['features']!, wide['features']!), 'the backbone as before');
  const error = relativeError(expected['masks']!, wide['masks']!);
  t.ok(error > 1e-6 && error < 0.01, `masks: ${error}`);
  t.match(e.modelInfo(model).float16, { passes: 1, runAgain: 0 });
  const copy = await e.copyModel(model, { device: 'cpu', replica: 1 });
  checkSame(t, await outputsOf(copy), expected, 'a replica');
  t.match(e.modelInfo(copy).float16, { passes: 2, runAgain: 0 });
  const sizes = await e.networkSizes(file('tiny'), 'stored', 'fp8');
  for (const residentBlocks of [0, 2]) {
    const streamed = await e.loadModel(file('tiny'), { ...fp8, residentBlocks });
    await e.useFloat16(streamed);
    const blocks = sizes.blocksBytes - sizes.residentBytes[residentBlocks]!;
    t.equal(e.modelInfo(streamed).streamedBytes, blocks + sizes.copiedDecoderBytes);
    checkSame(t, await outputsOf(streamed), expected, `${residentBlocks} blocks resident`);
    const copy = await e.copyModel(streamed, { device: 'cpu', replica: 1 });
    checkSame(t, await outputsOf(copy), expected, `a replica with ${residentBlocks} blocks resident`);
  }
  const out = join(folder, 'float16.pt');
  const head = e.headOfModel(model, 'float32');
  await e.exportModel(model, head, out);
  await e.exportModel(await e.loadModel(file('tiny'), exact), head, join(folder, 'bfloat16.pt'));
  const exported = ['float16', 'bfloat16'].map((name) => readFileSync(file(name)));
  t.ok(exported[0]!.length === exported[1]!.length, 'an export has the weights of the file');
});

t.test('made of a seed as of a file', async (t) => {
  const random = { architecture: 'tiny', seed: 5, dtype: 'bfloat16', device: 'cpu' } as const;
  const made = await e.initModel({ ...random, precision: 'fp8', cudaGraphs: false });
  const loaded = await e.loadModel(file('tiny'), fp8);
  checkSame(t, await outputsOf(made), await outputsOf(loaded), 'tiny');
});

t.test("a detector, with weights of its own and a segmentor's", async (t) => {
  const input = imagesOf(1, 3, 112, 144);
  const featuresOf = async (detector: Parameters<typeof e.detectorFeatures>[0]) =>
    floats(await e.detectorFeatures(detector, input.handle));
  const plain = await e.loadDetector(file('tiny-detector'), exact);
  const own = await e.loadDetector(file('tiny-detector'), fp8);
  const found = await featuresOf(own);
  const error = relativeError(found, await featuresOf(plain));
  t.ok(error > 1e-4 && error < 0.1, `features: ${error}`);

  for (const residentBlocks of [undefined, 0]) {
    const options = { ...fp8, ...(residentBlocks !== undefined && { residentBlocks }) };
    const shareWith = await e.loadModel(file('tiny'), options);
    // The detector's own precision follows from the segmentor's.
    for (const { precision } of [exact, fp8]) {
      const shared = await e.loadDetector(file('tiny-detector'), { ...exact, precision, shareWith });
      t.ok(e.detectorInfo(shared).sharedBytes > 0);
      t.ok(sameBits(await featuresOf(shared), found), `${precision}, ${residentBlocks ?? 'all'} resident`);
      const copy = await e.copyDetector(shared, { device: 'cpu', replica: 1 }, [
        shareWith,
        await e.copyModel(shareWith, { device: 'cpu', replica: 1 }),
      ]);
      t.ok(sameBits(await featuresOf(copy), found), 'a replica');
    }
  }
  const random = { architecture: 'tiny-detector', seed: 5, dtype: 'bfloat16', device: 'cpu' } as const;
  const shareWith = await e.loadModel(file('tiny'), fp8);
  const made = await e.initDetector({ ...random, ...exact, ...random, shareWith });
  t.ok(sameBits(await featuresOf(made), found), 'made of a seed');

  const inBfloat16 = await e.loadModel(file('tiny'), exact);
  await t.rejects(e.loadDetector(file('tiny-detector'), { ...fp8, shareWith: inBfloat16 }), {
    code: 'BACKBONE_MISMATCH',
    message: /a detector in precision fp8 cannot share the backbone of .*tiny\.pt/,
  });
});

t.test("an export has the file's weights", async (t) => {
  for (const name of ['exact', 'fp8']) mkdirSync(join(folder, name));
  const paths = ['exact', 'fp8'].map((name) => join(folder, name, 'out.pt'));
  const models = [await e.loadModel(file('tiny'), exact), await e.loadModel(file('tiny'), fp8)];
  const head = e.headOfModel(models[0]!, 'float32');
  for (const [i, model] of models.entries()) await e.exportModel(model, head, paths[i]!);
  t.ok(readFileSync(paths[0]!).equals(readFileSync(paths[1]!)), 'the same bytes');

  const random = { architecture: 'tiny', seed: 5, dtype: 'bfloat16', device: 'cpu' } as const;
  const made = await e.initModel({ ...random, precision: 'fp8', cudaGraphs: false });
  await t.rejects(e.exportModel(made, head, join(folder, 'none.pt')), {
    code: 'INVALID_ARGUMENT',
    message: /tiny with random weights of seed 5 is in precision fp8 and has no file/,
  });
  writeFileSync(file('changed'), readFileSync(file('tiny')));
  const changed = await e.loadModel(file('changed'), fp8);
  await initModel({ arch: 'tiny', seed: 6, dtype: 'bfloat16', out: file('changed') });
  await t.rejects(e.exportModel(changed, head, join(folder, 'none.pt')), {
    code: 'MODEL_FORMAT',
    message: /changed\.pt has changed since the network was loaded in precision fp8/,
  });
  using model = await SegmentationModel.load(file('tiny'), { device: 'cpu' });
  await exportModel(model, model.ownHead(), join(folder, 'public.pt'));
});

t.test('a backbone in float32, and a network without blocks, are refused', async (t) => {
  const wide = await writeFormulaModel(t.testdir());
  await t.rejects(e.loadModel(wide, fp8), {
    code: 'INVALID_ARGUMENT',
    message: /quantises a backbone in bfloat16, and this one is in float32: load it with dtype bfloat16/,
  });
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  await t.rejects(e.loadModel(foreign, fp8), { code: 'MODEL_FORMAT', message: /fp8/ });
});

t.test('the library refuses it on the CPU', async (t) => {
  const refused = {
    code: 'DEVICE',
    message: /needs a CUDA device of .*8\.9 .*; cpu is not one\. Use another/,
  };
  const options = { device: 'cpu', precision: 'fp8' } as const;
  await t.rejects(SegmentationModel.load(file('tiny'), options), refused);
  await t.rejects(SegmentationModel.init({ arch: 'tiny', dtype: 'bfloat16', ...options }), refused);
  await t.rejects(DetectionModel.load(file('tiny-detector'), options), refused);
  await t.rejects(DetectionModel.init({ arch: 'tiny-detector', dtype: 'bfloat16', ...options }), refused);
});

t.test('which devices have it (simulated)', (t) => {
  const capabilities: Record<string, number> = { 'cuda:0': 9, 'cuda:1': 8.9, 'cuda:2': 8.6, 'cuda:3': 12 };
  const check = (...devices: string[]) => checkPrecision('fp8', devices, (device) => capabilities[device]);
  t.doesNotThrow(() => check('cuda:0', 'cuda:1', 'cuda:3'));
  t.doesNotThrow(() => check('cuda:9'), 'unknown: the engine will tell');
  t.throws(() => check('cuda:0', 'cuda:2'), {
    code: 'DEVICE',
    message: /9\.0 \(Hopper\) and later; cuda:2 has compute capability 8\.6\. Use another device, or another/,
  });
  t.throws(() => check('cpu'), { code: 'DEVICE', message: /cpu is not one/ });
  t.doesNotThrow(() => checkPrecision('tf32', ['cpu', 'cuda:2'], (device) => capabilities[device]));
  t.end();
});
