/** Where networks and heads run when nobody says so. */
import { join } from 'node:path';
import t from 'tap';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { SegmentationFeatures } from '../../lib/features/segmentation-features.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { forwardFile } from '../../lib/model/forward-file.js';
import { initModel } from '../../lib/model/init-model.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { openHead } from '../../lib/model/open-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const [model, detector, head, probe] = [
  at('seg.pt'),
  at('det.pt'),
  at('head.safetensors'),
  at('probe.safetensors'),
];
const device = 'cpu';
await initModel({ arch: 'tiny', seed: 1, out: model, device });
await initModel({ arch: 'tiny-detector', seed: 1, out: detector, device });
await ClassHead.create({ hidden: 64, classes: 3, device }).save(head);
const ones = (length: number) => new Float32Array(length).fill(1);
const values = {
  ...{ classes: 3, width: 4, weight: ones(12), bias: ones(3), gamma: ones(4) },
  ...{ beta: ones(4), runningMean: ones(4), runningVar: ones(4) },
};
await (await LinearProbe.from(values, { device })).save(probe);
using image = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
await engine().writeSafetensors(at('in.safetensors'), { image: image.handle }, {});

/** Everything that runs somewhere, without a word of where. */
const calls: Record<string, () => Promise<{ device: string }>> = {
  'SegmentationModel.load': () => SegmentationModel.load(model),
  'SegmentationModel.init': () => SegmentationModel.init({ arch: 'tiny' }),
  'DetectionModel.load': () => DetectionModel.load(detector),
  'DetectionModel.init': () => DetectionModel.init({ arch: 'tiny-detector' }),
  'ClassHead.create': async () => ClassHead.create({ hidden: 4, classes: 3 }),
  'ClassHead.load': () => ClassHead.load(head),
  'ClassHead.open': () => ClassHead.open(head),
  'ClassHead.import': () => ClassHead.import(head),
  'LinearProbe.from': () => LinearProbe.from(values),
  'LinearProbe.load': () => LinearProbe.load(probe),
  'openHead, class_embed': () => openHead(head),
  'openHead, probe': () => openHead(probe),
  openSegmenter: async () => (await openSegmenter({ model })).model,
  'SegmentationFeatures.open': async () => (await SegmentationFeatures.open({ model, set: '230' })).model,
  openFeatureExtractor: async () =>
    (await openFeatureExtractor({ model, set: '230' })) as unknown as { device: string },
  initModel: async () => (await initModel({ arch: 'tiny', out: at('new.pt') }), { device: 'cuda:0' }),
  forwardFile: async () => {
    await forwardFile({ model, input: at('in.safetensors'), output: at('out.safetensors') });
    return { device: 'cuda:0' };
  },
};

t.test('the default is the first CUDA device where one answers', async (t) => {
  const native = engine();
  const { info } = native;
  t.teardown(() => (native.info = info));
  const answers = info().cudaAvailable;
  // Without a CUDA device, one is feigned: what takes it then fails on it.
  native.info = () => ({ ...info(), cudaAvailable: true });
  for (const [name, call] of Object.entries(calls))
    if (answers) t.equal((await call()).device, 'cuda:0', name);
    else await t.rejects(call(), { code: 'DEVICE' }, name);
});

t.test('and else the CPU', { skip: engine().info().cudaAvailable && 'a CUDA device answers' }, async (t) => {
  for (const [name, call] of Object.entries(calls)) {
    const { device } = await call();
    if (device !== 'cuda:0') t.equal(device, 'cpu', name);
  }
  await t.rejects(
    SegmentationModel.load(model, { device: 'cuda' }),
    { code: 'DEVICE' },
    'no CPU in place of CUDA',
  );
});

t.test(
  'a head that is opened beside a network is on its device; one that is not is refused with what to do',
  async (t) => {
    using segmenter = await openSegmenter({ model, device: 'cpu', imageSize: 64 });
    t.equal(segmenter.head.device, 'cpu');
    await segmenter.percentages(picture(8, 6));
    using elsewhere = ClassHead.create({ hidden: segmenter.model.hidden, classes: 3, device: 'cpu' });
    Object.defineProperty(elsewhere, 'device', { value: 'cuda:1' });
    t.throws(() => elsewhere.assertFits(segmenter.model), {
      code: 'DEVICE',
      message: /on cuda:1, but the network is on cpu: pass \{ device: model\.device \}/,
    });
  },
);
