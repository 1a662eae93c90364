/** Detectors with random weights, with and without a file, and with a segmentor's backbone. */
import { join } from 'node:path';
import t from 'tap';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { detectorArchitectures, initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { formulaTensor } from '../helpers/formula.js';
import { randomTensor } from '../helpers/operators.js';

const shape = [1, 3, 144, 192];
const images = Tensor.from(formulaTensor('image', shape).data, shape);

async function outputsOf(detector: DetectionModel) {
  const { predLogits, predBoxes } = await detector.forward(images);
  return { logits: await predLogits.floats(), boxes: await predBoxes.floats() };
}

t.test('file and detector without a file are the same; every part of it matters', async (t) => {
  const folder = t.testdir();
  const ids = new Set<string>();
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const out = join(folder, `${dtype}.pt`);
    const plan = await initModel({ arch: 'tiny-detector', seed: 3, dtype, out });
    t.match(plan, { dims: { embedDim: 64, hiddenDim: 64, queries: 30, classes: 91 } });
    using stored = await DetectionModel.load(out);
    using drawn = await DetectionModel.init({ arch: 'tiny-detector', seed: 3, dtype });
    t.match(drawn, {
      path: 'tiny-detector with random weights of seed 3',
      parameters: plan.parameters,
      dtype: stored.dtype,
      queries: 30,
      sharedBytes: 0,
    });
    const [a, b] = [await outputsOf(stored), await outputsOf(drawn)];
    t.ok(sameBits(a.logits, b.logits) && sameBits(a.boxes, b.boxes), `${dtype}: the same outputs`);
    ids.add(drawn.id);
  }
  using other = await DetectionModel.init({ arch: 'tiny-detector', seed: 4 });
  t.equal(ids.add(other.id).size, 3, 'ids tell seed and dtype');
});

t.test('it finds a few things, in boxes of all sizes inside of the image', async (t) => {
  using detector = await DetectionModel.init({ arch: 'tiny-detector', seed: 1 });
  const { logits, boxes } = await outputsOf(detector);
  t.ok([...logits, ...boxes].every(Number.isFinite));
  const above = logits.filter((logit) => logit > 0).length / logits.length;
  t.ok(above > 0.0005 && above < 0.1, `${above} of the classes score above a half`);
  const widths = Array.from({ length: 30 }, (_, i) => boxes[4 * i + 2]!);
  t.ok(Math.max(...widths) > 1.5 * Math.min(...widths), 'boxes differ');
  t.ok(widths.filter((width) => width > 1 && width < 192).length > 20, 'few are cut away or the whole image');
});

t.test('shapes have the published sizes, by their plans alone', async (t) => {
  const plans = detectorArchitectures.map((name) => engine().planArchitecture(name));
  t.same(
    plans.map(({ dims }) => [dims['embedDim'], dims['depth'], dims['queries']]),
    [
      [4096, 40, 1500],
      [1280, 32, 1500],
      [1024, 24, 1500],
      [768, 12, 1500],
      [384, 12, 1500],
      [384, 12, 1500],
      [128, 8, 100],
      [64, 4, 30],
    ],
  );
  const drawn = await randomTensor(
    { architecture: 'dinov3_vit7b16_coco_detr', seed: 1, dtype: 'bfloat16', device: 'cpu' },
    'class_embed.6.weight',
  );
  t.match(engine().tensorInfo(drawn), { shape: [91, 768], dtype: 'float32' });
});

t.test("a segmentor's backbone stands in for the drawn one", async (t) => {
  using segmentor = await SegmentationModel.init({ arch: 'tiny', seed: 5 });
  using alone = await DetectionModel.init({ arch: 'tiny-detector', seed: 5 });
  using shared = await DetectionModel.init({ arch: 'tiny-detector', seed: 5, shareWith: segmentor });
  const [a, b] = [await outputsOf(alone), await outputsOf(shared)];
  t.ok(sameBits(a.logits, b.logits) && sameBits(a.boxes, b.boxes), 'one seed draws the same backbone');
  t.match(shared.path, /and the backbone of tiny with random weights of seed 5/);
  const bytes = (...handles: Parameters<ReturnType<typeof engine>['storageBytes']>[0][number][]) =>
    engine().storageBytes(handles);
  t.equal(
    bytes(segmentor.handle, shared.handle),
    bytes(segmentor.handle) + bytes(alone.handle) - shared.sharedBytes,
  );
  const code = 'BACKBONE_MISMATCH';
  await t.rejects(DetectionModel.init({ arch: 'dinov3_vits16_detr', shareWith: segmentor }), {
    code,
    message: /has shape .*384.*, the segmentor's has .*64/,
  });
  await t.rejects(DetectionModel.init({ arch: 'tiny-detector', dtype: 'bfloat16', shareWith: segmentor }), {
    code,
    message: /should be bfloat16, but the segmentor has it in float32/,
  });
  await t.rejects(DetectionModel.init({ arch: 'tiny' as 'tiny-detector' }), {
    code: 'INVALID_ARGUMENT',
    message: /Unknown network tiny; expected one of dinov3_vit7b16_coco_detr, .*tiny-detector/,
  });
});

t.test('init writes a detector that the other commands take', async (t) => {
  const out = join(t.testdir(), 'tiny.pt');
  const { code, stdout } = await runCommand(['init', '--arch', 'tiny-detector', '--out', out, '--json']);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { out, dims: { depth: 4 }, repeatedKeys: 24 });
  using detector = await DetectionModel.load(out);
  t.equal(detector.queries, 30);
});
