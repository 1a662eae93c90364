/** Training against the reference's recorded runs (float32). */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert } from '../../lib/model/convert.js';
import type { DecodedImages } from '../../lib/model/decoded-images.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { imageIou, meanOf, metricsOf } from '../../lib/evaluate/metrics.js';
import { cosineLearningRate } from '../../lib/train/schedule.js';
import { close } from '../helpers/close.js';
import {
  formulaRecorded,
  recordedClasses,
  recordedHidden,
  recordedRuns,
  split,
  type Recorded,
} from '../helpers/recorded-training.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const classes = recordedClasses;
const hidden = recordedHidden;

async function headWith(weight: Float32Array, bias: Float32Array): Promise<ClassHead> {
  const head = ClassHead.create({ hidden, classes, precision: 'float32' });
  const { optimizer, dWeight, dBias } = await head.state();
  await head.restore({ weight, bias, dWeight, dBias, optimizer });
  return head;
}

async function checkRun(
  t: Test,
  recorded: Recorded,
  name: string,
  settings: { learningRate: number; weightDecay: number; accumulate: number },
): Promise<void> {
  const { golden, decoded, labels, init } = recorded;
  const expected = (key: string) => golden[`${name}.${key}`]?.data as Float64Array;
  const steps = expected('lr').length;
  const order = golden[`${name}.image_index`]?.data as BigInt64Array | undefined;
  const losses: number[] = [];
  const norms: number[] = [];
  const rates: number[] = [];
  using head = await headWith(init.weight, init.bias);
  for (let step = 0, turn = 0; step < steps; step++) {
    let loss = 0;
    for (let i = 0; i < settings.accumulate; i++, turn++) {
      const index = order ? Number(order[turn]) : turn % decoded.length;
      const result = await head.accumulate(decoded[index]!, labels[index]!, 1 / settings.accumulate);
      loss += result.loss / settings.accumulate;
    }
    const learningRate = cosineLearningRate(settings.learningRate, step, steps);
    const { gradNorm } = await head.step({ learningRate, weightDecay: settings.weightDecay });
    losses.push(loss);
    norms.push(gradNorm);
    rates.push(learningRate);
  }
  const { weight, bias } = await head.state();
  close(t, 'learning rates', rates, expected('lr'), { rtol: 1e-9 });
  close(t, 'losses', losses, expected('loss'), { rtol: 1e-5, atol: 1e-4 });
  close(t, 'gradient norms', norms, expected('grad_norm'), { rtol: 1e-5 });
  close(t, 'final weight', weight, golden[`${name}.weight`]!.data as Float32Array, { rtol: 1e-5 });
  close(t, 'final bias', bias, golden[`${name}.bias`]!.data as Float32Array, { rtol: 1e-5 });
}

async function checkAll(t: Test, recorded: Recorded): Promise<void> {
  for (const [name, settings] of Object.entries(recordedRuns))
    await t.test(name, (t) => checkRun(t, recorded, name, settings));
}

t.test('training on the network of formula weights gives the recorded losses and weights', async (t) => {
  await checkAll(t, await formulaRecorded(t.testdir()));
});

const skip = skipWithout('golden/train/head.safetensors');

t.test('training on the reference network gives the recorded losses and weights', { skip }, async (t) => {
  const golden = readSafetensors(join(shared, 'golden/train/head.safetensors')).tensors;
  const out = join(t.testdir(), 'model.pt');
  const checkpoints = join(shared, 'golden/seg-swiglu');
  await convert({ backbone: join(checkpoints, 'backbone.pth'), head: join(checkpoints, 'head.pth'), out });
  using model = await SegmentationModel.load(out);
  const decoded: DecodedImages[] = [];
  for (const { data, shape } of split(golden['images']!)) {
    using image = Tensor.from(data, shape);
    decoded.push(await model.decode(image));
  }
  const labels = split(golden['labels']!).map(({ data, shape }) => Tensor.from(data, shape));
  const floats = (key: string) => golden[key]!.data as Float32Array;
  await checkAll(t, {
    golden,
    decoded,
    labels,
    init: { weight: floats('init.weight'), bias: floats('init.bias') },
  });

  await t.test('and its head gives the recorded predictions', async (t) => {
    using head = await headWith(floats('fast.weight'), floats('fast.bias'));
    const expected = split(golden['eval.pred']!);
    for (const [i, images] of decoded.entries()) {
      using map = await head.classMap(images, { width: 128, height: 128 });
      const data = (await map.data()) as Uint8Array;
      const same = data.reduce(
        (count: number, value, k) => count + Number(value === expected[i]!.data[k]),
        0,
      );
      t.ok(same >= 0.999 * data.length, `image ${i}: ${same} of ${data.length} pixels`);
    }
  });
});

t.test(
  'evaluating the recorded predictions gives the recorded confusion matrix exactly',
  { skip },
  async (t) => {
    const golden = readSafetensors(join(shared, 'golden/train/head.safetensors')).tensors;
    const floats = (key: string) => golden[key]!.data as Float64Array;
    const pairs = split(golden['eval.pred']!).map((pred, i) => [pred, split(golden['labels']!)[i]!] as const);
    const total = new Float64Array(classes * classes);
    const imageIous: (number | null)[] = [];
    for (const [pred, label] of pairs) {
      using predicted = Tensor.from(pred.data, pred.shape);
      using truth = Tensor.from(label.data, label.shape);
      const counts = await engine().confusion(predicted.handle, truth.handle, classes);
      counts.forEach((count, i) => (total[i]! += count));
      imageIous.push(imageIou(counts, classes));
    }
    const expected = Array.from(golden['eval.confusion']!.data as BigInt64Array, Number);
    t.same([...total], expected, 'confusion');
    const { mIoU, pixelAccuracy } = metricsOf(total, classes);
    close(t, 'mIoU', [mIoU!], floats('eval.miou_present'), { atol: 1e-12 });
    close(t, 'pixel accuracy', [pixelAccuracy!], floats('eval.pixel_accuracy'), { atol: 1e-12 });
    close(t, 'per-image IoU', imageIous.map(Number), floats('eval.per_image_iou'), { atol: 1e-12 });
    t.ok(meanOf(imageIous));
  },
);
