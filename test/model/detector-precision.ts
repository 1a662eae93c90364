/** Precisions of a detector's head: what predicts, against the file's own network (precision `reference`), and float16 on the CPU by a hook for tests. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert } from '../../lib/model/convert.js';
import { engine } from '../../lib/native/engine.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import type { DetectorPlacement, NetworkPrecision } from '../../lib/native/bindings/engine.js';
import { close, relativeError, sameBits } from '../helpers/close.js';
import { predictionsOf, scaledDetector, withQueries, type Checkpoints } from '../helpers/detector.js';
import { rangeWarnings } from '../helpers/float16.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints, writeFormulaModel } from '../helpers/network.js';
import { countOperator } from '../helpers/operators.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const e = engine();
const image = formulaTensor('image', [1, 3, 144, 192]);

async function load(path: string, precision: NetworkPrecision, more: Partial<DetectorPlacement> = {}) {
  const placement = { device: 'cpu', dtype: 'stored', precision, cudaGraphs: false, ...more } as const;
  const handle = await e.loadDetector(path, placement);
  if (precision === 'float16') await e.useDetectorFloat16(handle);
  return handle;
}

/** float32 in halves of the input convolution, and in float16, against the file's network in float32. */
async function checkErrors(
  t: Test,
  folder: string,
  { queries, ...checkpoints }: Checkpoints & { queries: number },
  input: Stored,
) {
  const path = join(folder, 'whole.pt');
  await convert({ ...checkpoints, out: path, task: 'detection' });
  const own = await predictionsOf(await load(path, 'reference'), input);
  const folded = await predictionsOf(await load(path, 'tf32'), input);
  for (const part of ['logits', 'boxes'] as const) close(t, part, folded[part], own[part], { rtol: 1e-5 });
  t.notOk(sameBits(folded.logits, own.logits), 'of other products');

  const few = await withQueries(folder, checkpoints, queries);
  const exact = await predictionsOf(await load(few, 'reference'), input);
  const half = await load(few, 'float16');
  const found = await predictionsOf(half, input);
  for (const part of ['logits', 'boxes'] as const) {
    const error = relativeError(found[part], exact[part]);
    t.comment(`float16, ${part}: ${error}`);
    t.ok(error > 0 && error < 5e-3, `${part}: ${error}`);
  }
  const { largest, passes, runAgain } = e.detectorInfo(half).float16!;
  t.comment(`largest magnitude: ${largest}`);
  t.same([passes, runAgain], [1, 0]);
  t.ok(largest > 1 && largest < 6550, `${largest} is far from the end of the range`);
}

for (const shape of [image.shape, [2, 3, 112, 160]])
  t.test(`formula weights, ${shape.join('×')}: close to the file’s network`, async (t) => {
    const folder = t.testdir();
    const checkpoints = await writeFormulaCheckpoints(folder, 'det');
    await checkErrors(t, folder, { ...checkpoints, queries: 1 }, formulaTensor('image', shape));
  });

for (const name of ['case0', 'case1']) {
  const skip = skipWithout(`golden/det/${name}.safetensors`);
  t.test(`det/${name}: close to the file’s network`, { skip }, async (t) => {
    const golden = (file: string) => join(shared, 'golden/det', file);
    const { tensors } = readSafetensors(golden(`${name}.safetensors`));
    const checkpoints = { backbone: golden('backbone.pth'), head: golden('head.pth') };
    await checkErrors(t, t.testdir(), { ...checkpoints, queries: 4 }, tensors['image']!);
  });
}

t.test(
  'boxes, scores and the bias of attention have weights in float32, other products in float16',
  async (t) => {
    const path = await writeFormulaModel(t.testdir(), 'det');
    const [half, plain] = [await load(path, 'float16'), await load(path, 'reference')];
    const { tensors } = await e.inspect(path);
    const elements = (of: (name: string) => boolean) =>
      tensors
        .filter(({ name }) => of(name))
        .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const isFloat32 = (name: string) =>
      /^backbone\.|^class_embed|^query_embed|level_embed|cpb_mlp|layers\.2\.(weight|bias)$|norm|\.ln\.|input_proj\.0\.1/.test(
        name,
      );
    t.equal(e.storageBytes([half]) - e.storageBytes([plain]), 2 * elements((name) => !isFloat32(name)));
  },
);

t.test('a pass whose values float16 cannot hold is run again, with one warning', async (t) => {
  const path = await scaledDetector(t.testdir(), 'transformer.encoder.layers.1.linear1.weight', 6e4);
  const truth = await predictionsOf(await load(path, 'tf32'), image);
  const half = await load(path, 'float16');
  const texts = await rangeWarnings(async () => {
    for (let pass = 0; pass < 2; pass++) {
      const { logits, boxes } = await predictionsOf(half, image);
      t.ok(sameBits(logits, truth.logits), 'logits');
      t.ok(sameBits(boxes, truth.boxes), 'boxes');
    }
  });
  t.equal(texts.length, 1);
  t.match(texts[0], /detector\.pt: a value of the decoder .*65504.*--precision tf32/);
  t.match(e.detectorInfo(half).float16, { largest: 0, passes: 2, runAgain: 2 });
});

t.test('a value that is no number is one that float16 cannot hold', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  const half = await load(path, 'float16');
  const broken = { shape: image.shape, data: Float32Array.from(image.data as Float32Array).fill(NaN, 0, 1) };
  const texts = await rangeWarnings(async () => {
    await predictionsOf(half, broken);
    t.ok(
      (await predictionsOf(half, image)).logits.every(Number.isFinite),
      'the next pass has a range of its own',
    );
  });
  t.equal(texts.length, 1);
  t.match(e.detectorInfo(half).float16, { passes: 2, runAgain: 1 });
});

t.test('a weight that float16 cannot hold leaves the detector without it', async (t) => {
  const path = await scaledDetector(t.testdir(), 'transformer.pos_trans.weight', 1e6);
  const texts = await rangeWarnings(async () => {
    const half = await load(path, 'float16');
    t.equal(e.detectorInfo(half).float16, undefined);
  });
  t.match(texts, [
    /a weight of the decoder is infinite .*65504.*computes in TF32 instead, as with --precision tf32/,
  ]);
});

t.test('copies and streamed weights give the same bits', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  for (const precision of ['tf32', 'float16'] as const) {
    const whole = await load(path, precision, { dtype: 'bfloat16' });
    const truth = await predictionsOf(whole, image);
    const bytes = e.storageBytes([whole]);
    const copy = await e.copyDetector(whole, { device: 'cpu', replica: 1 }, []);
    t.equal(e.storageBytes([whole, copy]), bytes, 'a copy shares all weights');
    const streamed = await load(path, precision, { dtype: 'bfloat16', residentBlocks: 1 });
    t.ok(e.detectorInfo(streamed).streamedBlocks > 0);
    for (const [name, detector] of Object.entries({ copy, streamed })) {
      const { logits, boxes } = await predictionsOf(detector, image);
      t.ok(sameBits(logits, truth.logits) && sameBits(boxes, truth.boxes), `${precision}, ${name}`);
    }
  }
});

t.test('the halves of the input convolution are views of its weight', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  const [folded, plain] = [await load(path, 'tf32'), await load(path, 'reference')];
  t.equal(e.storageBytes([folded]), e.storageBytes([plain]));
});

t.test('fp8 beside a segmentor in fp8, whose quantised weights it shares', async (t) => {
  const folder = t.testdir();
  const [path, segmentorPath] = [join(folder, 'detector.pt'), join(folder, 'segmentor.pt')];
  await initModel({ arch: 'tiny-detector', seed: 1, dtype: 'bfloat16', out: path });
  await initModel({ arch: 'tiny', seed: 1, dtype: 'bfloat16', out: segmentorPath });
  const fp8 = { device: 'cpu', dtype: 'stored', precision: 'fp8', cudaGraphs: false } as const;
  const alone = await predictionsOf(await e.loadDetector(path, fp8), image);
  const segmentor = await e.loadModel(segmentorPath, fp8);
  const sharing = await e.loadDetector(path, { ...fp8, shareWith: segmentor });
  const { logits, boxes } = await predictionsOf(sharing, image);
  t.ok(sameBits(logits, alone.logits) && sameBits(boxes, alone.boxes), 'the same bits as with its own');
  t.ok(e.detectorInfo(sharing).sharedBytes > 0);
  const exact = await predictionsOf(await load(path, 'tf32'), image);
  t.notOk(sameBits(logits, exact.logits), 'other than in bfloat16');
});

t.test('the precision is the given one, else the segmentor’s whose backbone is shared', async (t) => {
  const place = { seed: 1, dtype: 'bfloat16', device: 'cpu' } as const;
  using segmentor = await SegmentationModel.init({ arch: 'tiny', ...place, precision: 'reference' });
  using follows = await DetectionModel.init({ arch: 'tiny-detector', ...place, shareWith: segmentor });
  t.equal(follows.precision, 'reference');
  using own = await DetectionModel.init({
    ...{ arch: 'tiny-detector', ...place, shareWith: segmentor, precision: 'float16' },
  });
  t.equal(own.precision, 'float16');
  t.equal(own.float16, undefined, 'on the CPU its products are in float32');
});

t.test('each layer of the decoder computes the bias of its attention by an operator', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  for (const precision of ['reference', 'tf32'] as const) {
    const count = await countOperator(path, precision, 'forward', 'dinov3_seg::box_bias', { detector: true });
    t.equal(count, 6);
  }
});

t.test('parts are timed', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  using images = Tensor.from(image.data, image.shape);
  for (const precision of ['reference', 'float16'] as const) {
    const times = await e.detectorPartTimes(await load(path, precision), images.handle, { repeat: 1 });
    t.same(Object.keys(times), ['backbone', 'encoder', 'proposals', 'decoder']);
    t.ok(Object.values(times).every((milliseconds) => milliseconds > 0));
  }
});
