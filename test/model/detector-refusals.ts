/** What is no detector, and what a detector does not take. */
import { join } from 'node:path';
import t from 'tap';
import { convert } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints, writeFormulaModel } from '../helpers/network.js';

/** Writes a formula detector's checkpoints with one tensor of the head replaced. */
async function writeWith(folder: string, key: string, tensor: Tensor) {
  const { backbone, head } = await writeFormulaCheckpoints(folder, 'det');
  const { tensors } = await engine().readTensors(head);
  const changed = join(folder, 'changed.safetensors');
  await engine().writeSafetensors(changed, { ...tensors, [key]: tensor.handle }, {});
  return { backbone, head: changed, out: join(folder, 'changed.pt'), task: 'detection' } as const;
}

t.test('heads of the other task and unknown tasks are refused', async (t) => {
  const folder = t.testdir({ seg: {}, det: {} });
  const segmentor = await writeFormulaCheckpoints(join(folder, 'seg'));
  const detector = await writeFormulaCheckpoints(join(folder, 'det'), 'det');
  const out = join(folder, 'out.pt');
  const task = 'detection';
  await t.rejects(convert({ ...segmentor, out, task }), {
    code: 'CHECKPOINT_KEYS',
    message: /is a segmentation head/,
  });
  await t.rejects(convert({ ...detector, out }), {
    code: 'CHECKPOINT_KEYS',
    message: /is a detection head/,
  });
  await t.rejects(convert({ ...detector, out, task: 'depth' as never }), {
    code: 'INVALID_ARGUMENT',
    message: /one of segmentation, detection, not "depth"/,
  });
  await t.rejects(convert({ backbone: detector.head, head: detector.backbone, out, task }), {
    code: 'CHECKPOINT_KEYS',
    message: /keys of a head: give the file as --head/,
  });
});

t.test('a repeat with values of its own is refused', async (t) => {
  const key = 'transformer.decoder.class_embed.2.bias';
  using other = Tensor.from(new Float32Array(91), [91]);
  await t.rejects(convert(await writeWith(t.testdir(), key, other)), {
    code: 'CHECKPOINT_KEYS',
    message: /transformer\.decoder\.class_embed\.2\.bias to repeat the values of class_embed\.2\.bias/,
  });
});

t.test('a detector is no segmentor, nor a segmentor a detector', async (t) => {
  const folder = t.testdir({ seg: {}, det: {} });
  const [segmentor, detector] = [
    await writeFormulaModel(join(folder, 'seg')),
    await writeFormulaModel(join(folder, 'det'), 'det'),
  ];
  const code = 'MODEL_FORMAT';
  await t.rejects(DetectionModel.load(segmentor), { code, message: /contains a segmentor/ });
  await t.rejects(SegmentationModel.load(detector), { code, message: /contains a detector/ });
  const backbone = join(folder, 'backbone.pt');
  await initModel({ arch: 'tiny-backbone', out: backbone });
  await t.rejects(DetectionModel.load(backbone), { code, message: /contains a backbone alone/ });
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/no-decode.pt');
  await t.rejects(DetectionModel.load(foreign), { code, message: /no method features/ });
});

t.test('images of sizes that the detector cannot take are refused', async (t) => {
  const folder = t.testdir();
  using model = await DetectionModel.load(await writeFormulaModel(folder, 'det'));
  for (const shape of [
    [1, 3, 72, 96],
    [1, 3, 64, 96],
    [1, 3, 96, 100],
    [1, 1, 96, 96],
    [3, 96, 96],
  ]) {
    using input = Tensor.from(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    const error = { code: 'SHAPE', message: /multiples of 16 from 80/ };
    await t.rejects(model.forward(input), error, `boxes of ${shape.join('×')}`);
    await t.rejects(model.features(input), error, `features of ${shape.join('×')}`);
  }
  using least = Tensor.from(formulaTensor('image', [1, 3, 80, 80]).data, [1, 3, 80, 80]);
  t.same((await model.forward(least)).predBoxes.shape, [1, 30, 4], 'the least size is taken');

  using queries = Tensor.from(formulaTensor('query_embed.weight', [400, 64]).data, [400, 64]);
  const crowded = await writeWith(folder, 'query_embed.weight', queries);
  await convert(crowded);
  using many = await DetectionModel.load(crowded.out);
  t.equal(many.queries, 200);
  await t.rejects(many.forward(least), { code: 'SHAPE', message: /130 positions for boxes.*200/ });
});

t.test('detect refuses what it cannot do', async (t) => {
  const model = await DetectionModel.load(await writeFormulaModel(t.testdir(), 'det'));
  const image = { data: new Uint8Array(90 * 90 * 3), width: 90, height: 90 };
  for (const [options, code, message] of [
    [{ threshold: 1.5 }, 'INVALID_ARGUMENT', /threshold/],
    [{ threshold: NaN }, 'INVALID_ARGUMENT', /threshold/],
    [{ top: 0 }, 'INVALID_ARGUMENT', /top/],
    [{ imageSize: 40 }, 'INVALID_ARGUMENT', /imageSize should be at least 80/],
    [{ imageSize: { width: 96, height: 90 } }, 'SHAPE', /multiples of 16 from 80/],
  ] as const)
    await t.rejects(model.detect(image, options), { code, message });
  await t.rejects(model.detect('/absent.jpg'), { code: 'FILE_NOT_FOUND' });
  const stopped = AbortSignal.abort(new Error('enough'));
  await t.rejects(model.detect(image, { imageSize: 96, signal: stopped }), /enough/);

  const controller = new AbortController();
  using input = Tensor.from(formulaTensor('image', [1, 3, 240, 240]).data, [1, 3, 240, 240]);
  const running = model.forward(input, { signal: controller.signal });
  controller.abort(new Error('too late'));
  await t.rejects(running, /too late/, 'a pass is stopped');

  const last = model.forward(input);
  model.dispose();
  t.same((await last).predBoxes.shape, [1, 30, 4], 'a call under way outlives dispose()');
  await t.rejects(model.detect(image), { code: 'DISPOSED', message: /detector of .*was used after dispose/ });
});
