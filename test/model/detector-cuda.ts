/** Detectors on CUDA: the head in float16, recorded passes, passes that are run again, several images, and fp8. */
import t from 'tap';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { DetectorPlacement } from '../../lib/native/bindings/engine.js';
import { close, relativeError, sameBits } from '../helpers/close.js';
import { predictionsOf, scaledDetector, withQueries } from '../helpers/detector.js';
import { cudaWithE4m3 } from '../helpers/e4m3.js';
import { rangeWarnings } from '../helpers/float16.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints, writeFormulaModel } from '../helpers/network.js';

const e = engine();
const skip = e.info().cudaAvailable ? false : 'no CUDA device answers';
const device = 'cuda:0';
const image = formulaTensor('image', [1, 3, 144, 192]);

async function load(
  path: string,
  { float16, ...placement }: Partial<DetectorPlacement> & { float16?: boolean },
) {
  const handle = await e.loadDetector(path, {
    ...{ device, dtype: 'stored', precision: 'float16', cudaGraphs: true, ...placement },
  });
  // The head has most of a small detector's weights, which therefore counts as one in float32.
  if (float16) await e.useDetectorFloat16(handle);
  return handle;
}

t.test(
  'float16 is near float32, and as near as on the CPU; recorded passes have the same bits',
  { skip },
  async (t) => {
    const folder = t.testdir();
    const path = await withQueries(folder, await writeFormulaCheckpoints(folder, 'det'), 1);
    const exact = await predictionsOf(await load(path, { precision: 'reference', device: 'cpu' }), image);
    const onCpu = await predictionsOf(await load(path, { device: 'cpu', float16: true }), image);
    const plain = await load(path, { cudaGraphs: false, float16: true });
    const expected = await predictionsOf(plain, image);
    for (const part of ['logits', 'boxes'] as const) {
      const [error, errorOnCpu] = [expected, onCpu].map((found) => relativeError(found[part], exact[part]));
      t.comment(`${part}: ${error}, on the CPU ${errorOnCpu}`);
      t.ok(error! > 0 && error! < 5e-3, `${part}: ${error}`);
    }
    const recorded = await load(path, { float16: true });
    for (const pass of ['first', 'recorded', 'replayed']) {
      const { logits, boxes } = await predictionsOf(recorded, image);
      t.ok(sameBits(logits, expected.logits) && sameBits(boxes, expected.boxes), pass);
    }
    const { largest, passes, runAgain } = e.detectorInfo(recorded).float16!;
    t.same([passes, runAgain], [3, 0]);
    t.equal(largest, e.detectorInfo(plain).float16!.largest);
    for (const shape of [
      [1, 3, 112, 144],
      [2, 3, 144, 192],
      [1, 3, 160, 176],
      [1, 3, 80, 240],
      [1, 3, 144, 192],
    ]) {
      const other = formulaTensor('image', shape);
      const { logits } = await predictionsOf(plain, other);
      for (let pass = 0; pass < 3; pass++)
        t.ok(
          sameBits((await predictionsOf(recorded, other)).logits, logits),
          `${shape.join('×')}, pass ${pass}`,
        );
    }
  },
);

t.test(
  'a pass that float16 cannot hold gives the bits of one without it, recorded or not',
  { skip },
  async (t) => {
    const key = 'transformer.encoder.layers.1.linear1.weight';
    const path = await scaledDetector(t.testdir(), key, 6e4);
    const truth = await predictionsOf(await load(path, {}), image);
    const texts = await rangeWarnings(async () => {
      const half = await load(path, { float16: true });
      for (const pass of ['first', 'recorded', 'replayed']) {
        const { logits, boxes } = await predictionsOf(half, image);
        t.ok(sameBits(logits, truth.logits) && sameBits(boxes, truth.boxes), pass);
      }
      t.match(e.detectorInfo(half).float16, { largest: 0, passes: 3, runAgain: 3 });
    });
    t.equal(texts.length, 1);
  },
);

t.test('streamed weights and copies give the same bits', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  const bfloat16 = { dtype: 'bfloat16', float16: true } as const;
  const whole = await load(path, bfloat16);
  const truth = await predictionsOf(whole, image);
  const streamed = await load(path, { ...bfloat16, residentBlocks: 1 });
  const copy = await e.copyDetector(whole, { device, replica: 1 }, []);
  for (const [name, detector] of Object.entries({ streamed, copy })) {
    const { logits, boxes } = await predictionsOf(detector, image);
    t.ok(sameBits(logits, truth.logits) && sameBits(boxes, truth.boxes), name);
  }
});

const large = { seed: 1, dtype: 'bfloat16', device } as const;
const scene = formulaTensor('image', [1, 3, 384, 384]);

t.test('a detector of ViT-L: what each precision computes in', { skip }, async (t) => {
  using images = Tensor.from(scene.data, scene.shape);
  const logits: Record<string, Float32Array> = {};
  for (const precision of ['reference', 'tf32', 'float16'] as const) {
    using detector = await DetectionModel.init({ arch: 'dinov3_vitl16_detr', ...large, precision });
    const { predLogits, predBoxes } = await detector.forward(images);
    logits[precision] = await predLogits.floats();
    t.ok(
      (await predBoxes.floats()).every((value) => value >= 0 && value <= 384),
      'boxes are in the image',
    );
    if (precision !== 'float16') {
      t.equal(detector.float16, undefined);
      continue;
    }
    const { largest, passes, runAgain } = detector.float16!;
    t.comment(`largest magnitude: ${largest}`);
    t.same([passes, runAgain], [1, 0]);
    const pixels = {
      data: Uint8Array.from({ length: 3 * 96 * 96 }, (_, i) => (i * 7919) % 251),
      width: 96,
      height: 96,
    };
    const options = { imageSize: 384, threshold: 0, top: 10 };
    const found = await detector.detectBatch([pixels, pixels, pixels], { ...options, passSize: 2 });
    t.same(
      found.map(({ length }) => length),
      [10, 10, 10],
    );
    const scores = (of: (typeof found)[0]) => of!.map(({ score }) => score);
    close(t, 'in a pass of two', scores(found[0]!), scores(found[1]!), { rtol: 1e-6 });
  }
  t.notOk(sameBits(logits['float16']!, logits['tf32']!), 'float16 is something else than TF32');
  t.notOk(sameBits(logits['tf32']!, logits['reference']!), 'and that than float32');
});

t.test('fp8: quantised weights are shared with a segmentor', { skip: cudaWithE4m3.skip }, async (t) => {
  using images = Tensor.from(scene.data, scene.shape);
  const fp8 = { ...large, precision: 'fp8' } as const;
  using alone = await DetectionModel.init({ arch: 'dinov3_vitl16_detr', ...fp8 });
  using segmentor = await SegmentationModel.init({ arch: 'dinov3_vitl16_m2f', ...fp8 });
  using sharing = await DetectionModel.init({ arch: 'dinov3_vitl16_detr', ...large, shareWith: segmentor });
  t.equal(sharing.precision, 'fp8');
  t.ok(sharing.sharedBytes > 0);
  const [own, its] = [await alone.forward(images), await sharing.forward(images)];
  t.ok(
    sameBits(await own.predLogits.floats(), await its.predLogits.floats()),
    'the same bits as with its own',
  );
  t.ok(sameBits(await own.predBoxes.floats(), await its.predBoxes.floats()));
});
