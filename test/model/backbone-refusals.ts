/** What a backbone alone, a network without features and files with other heads are refused for. */
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert, exportModel } from '../../lib/model/convert.js';
import { initialHeadOfModel } from '../../lib/model/init-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { openHead } from '../../lib/model/open-head.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { linearHead, writeLinearHead } from '../helpers/linear-head.js';
import { writeFormulaBackbone } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');

t.test('what asks for a decoder is told to use a linear probe', async (t) => {
  const folder = t.testdir();
  const path = await writeFormulaBackbone(folder);
  using model = await SegmentationModel.load(path);
  using images = Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
  const refused = { code: 'MODEL_FORMAT', message: /backbone.*class_embed.*train --head-kind linear_probe/s };
  t.throws(() => model.ownHead(), refused);
  t.throws(() => ClassHead.ofModel(model), refused);
  await t.rejects(model.decode(images), refused);
  await t.rejects(model.forward(images), refused);
  await t.rejects(model.segment(picture(40, 40)), refused);
  await t.rejects(openSegmenter({ model: path, classes: 'idd26' }), refused);
  await t.rejects(initialHeadOfModel(model, await loadClassSet('idd26'), { noObject: false }), refused);
  using head = ClassHead.create({ hidden: 64, classes: 3 });
  t.throws(() => head.assertFits(model), refused);
  await t.rejects(exportModel(model, head, join(folder, 'x.pt')), refused);
  await t.rejects(openFeatureExtractor({ model: path }), refused);
  for (const choice of [{ set: '230' }, { flavour: 'ade26' }] as const)
    await t.rejects(openFeatureExtractor({ model: path, ...choice }), {
      code: 'HEAD_MISMATCH',
      message: /has no class_embed\. Choose idd26-head/,
    });
  const probe = join(folder, 'probe.safetensors');
  await (await LinearProbe.from(linearHead(26, 64))).save(probe);
  await t.rejects(openFeatureExtractor({ model: path, head: probe, flavour: 'idd26' }), {
    code: 'HEAD_MISMATCH',
    message: /has no class_embed\. Choose idd26-head/,
  });
  await t.rejects(convert({ backbone: path, out: join(folder, 'd.pt'), task: 'detection' }), {
    code: 'INVALID_ARGUMENT',
    message: /A detector needs a head/,
  });
});

t.test('a probe is refused by an EoMT, which has no features of its own', async (t) => {
  using eomt = await SegmentationModel.init({ arch: 'tiny-eomt', device: 'cpu' });
  t.same(eomt.provides, ['decoded']);
  using probe = await LinearProbe.from(linearHead(3, eomt.width), { device: 'cpu' });
  const refused = {
    code: 'MODEL_FORMAT',
    message: /no method features\(images\).*use the backbone alone \(convert --backbone\)/,
  };
  t.throws(() => probe.assertFits(eomt), refused);
  await t.rejects(eomt.segment(picture(64, 64), { head: probe, imageSize: 64 }), refused);
});

t.test('a probe is refused by a network without features, and by another width', async (t) => {
  using without = await SegmentationModel.load(foreign);
  t.same(without.provides, ['decoded']);
  const images = picture(64, 32);
  for (const layers of [1, 4] as const) {
    using probe = await LinearProbe.from({ ...linearHead(3, 64), layers });
    const refused = { code: 'MODEL_FORMAT', message: /has no method (layer_)?features\(images\)/ };
    t.throws(() => probe.assertFits(without), refused);
    await t.rejects(without.segment(images, { head: probe, imageSize: 32 }), refused);
  }
  using model = await SegmentationModel.load(await writeFormulaBackbone(t.testdir()));
  for (const [width, layers] of [
    [32, 1],
    [256, 1],
    [64, 4],
  ] as const) {
    using probe = await LinearProbe.from({ ...linearHead(3, width), layers });
    t.throws(() => probe.assertFits(model), {
      code: 'HEAD_MISMATCH',
      message: new RegExp(`features of width ${width}, but the network .* width ${64 * layers}\\.`),
    });
  }
  await t.rejects(LinearProbe.from({ ...linearHead(3, 66), layers: 4 }), { code: 'HEAD_MISMATCH' });
  using probe = await LinearProbe.from(linearHead(3, 64));
  using wide = Tensor.from(new Float32Array(256 * 4), [1, 256, 2, 2]);
  await t.rejects(probe.forward(wide), { code: 'HEAD_MISMATCH', message: /features\(\) of the network/ });
});

t.test('files with other heads are told apart', async (t) => {
  const folder = t.testdir();
  const head = linearHead(3, 64);
  const write = (name: string, tensors: Record<string, Tensor>, metadata = {}) => {
    const handles = Object.entries(tensors).map(([key, tensor]) => [key, tensor.handle] as const);
    const path = join(folder, name);
    return engine()
      .writeSafetensors(path, Object.fromEntries(handles), metadata)
      .then(() => path);
  };
  const whole = await writeLinearHead(join(folder, 'whole.pth'), head);
  const { tensors } = await engine().readTensors(whole);
  const own = Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, Tensor.wrap(tensor)]));
  const { 'segmentation_model.1.conv.bias': _, ...lacking } = own;
  await t.rejects(openHead(await write('lacking.safetensors', lacking)), {
    code: 'CHECKPOINT_KEYS',
    message: /has no tensor segmentation_model\.1\.conv\.bias/,
  });
  const twice = Object.entries(own).flatMap(([key, tensor]) => [
    [`a.${key}`, tensor] as const,
    [`b.${key}`, tensor] as const,
  ]);
  await t.rejects(openHead(await write('twice.safetensors', Object.fromEntries(twice))), {
    code: 'CHECKPOINT_KEYS',
    message: /exactly one linear head/,
  });
  const wrong = {
    ...own,
    'segmentation_model.1.conv.weight': Tensor.from(new Float32Array(3 * 32), [3, 32, 1, 1]),
  };
  await t.rejects(openHead(await write('wrong.safetensors', wrong)), { code: 'HEAD_MISMATCH' });
  using probe = await LinearProbe.from(head);
  const saved = join(folder, 'probe.safetensors');
  await probe.save(saved);
  const stored = await engine().readTensors(saved);
  await engine().writeSafetensors(saved, stored.tensors, { ...stored.metadata, layers: '2' });
  await t.rejects(openHead(saved), { code: 'CHECKPOINT_FORMAT', message: /"layers" is 2/ });
  await t.rejects(LinearProbe.import(join(folder, 'whole.pth'), { layers: 2 as 1 }), {
    code: 'INVALID_ARGUMENT',
  });
});
