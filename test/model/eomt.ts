/** EoMT networks: from transformers' folders and the authors' differences, against their outputs; and what is refused. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert, exportModel, type ConvertModelOptions } from '../../lib/model/convert.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close, relativeError, sameBits } from '../helpers/close.js';
import { backboneIn, renamed, writeTensors, type StateDict } from '../helpers/layouts.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';
import { picture } from '../helpers/tiny-network.js';
import { torchSave } from '../helpers/torch-save.js';

const fixtures = join(import.meta.dirname, '../fixtures');
const whole = join(fixtures, 'eomt');
const base = join(fixtures, 'hf/mlp');
const differences = join(whole, 'delta/pytorch_model.bin');
const root = t.testdir();

type Source = Pick<ConvertModelOptions, 'backbone' | 'head' | 'attentionHeads'>;

/** Compares a converted network with the recorded outputs. */
async function checkOutputs(t: Test, path: string, caseFile: string): Promise<void> {
  const { tensors } = readSafetensors(caseFile);
  using model = await SegmentationModel.load(path);
  using images = Tensor.from(tensors['image']!.data, tensors['image']!.shape);
  const { queries, predLogits, predMasks } = await model.forward(images);
  using decoded = await model.decode(images);
  for (const [key, tensor] of [
    ['queries', queries],
    ['pred_logits', predLogits],
    ['pred_masks', predMasks],
    ['queries', decoded.queries],
    ['pred_masks', decoded.masks],
  ] as const) {
    const { data, shape } = tensors[key]!;
    t.same(tensor.shape, shape, key);
    close(t, key, await tensor.floats(), data as Float32Array, { rtol: 1e-5, shape });
  }
}

const golden = join(shared, 'golden/eomt');
const cases: [name: string, source: Source, caseFile: string, golden?: boolean][] = [
  ['a folder of transformers', { backbone: whole }, join(whole, 'case0.safetensors')],
  ['differences', { backbone: base, head: differences }, join(whole, 'case0.safetensors')],
  ['the golden folder', { backbone: golden }, join(golden, 'case0.safetensors'), true],
  [
    'the golden differences',
    {
      backbone: join(golden, 'delta/base.safetensors'),
      head: join(golden, 'delta/pytorch_model.bin'),
      attentionHeads: 2,
    },
    join(golden, 'case0.safetensors'),
    true,
  ],
];
for (const [name, source, caseFile, isGolden] of cases)
  t.test(
    `${name} gives the recorded outputs`,
    { skip: isGolden ? skipWithout('golden/eomt/case0.safetensors') : false },
    async (t) => {
      const out = join(t.testdir(), 'model.pt');
      const { network } = await convert({ ...source, out });
      t.equal(network, 'eomt');
      await checkOutputs(t, out, caseFile);
    },
  );

/** The tensors of a network's file, by key. */
async function tensorsOf(path: string): Promise<Map<string, { dtype: string; data: ArrayBufferView }>> {
  const { tensors } = await engine().readTensors(path);
  const entries = Object.entries(tensors).map(async ([key, handle]) => {
    const { dtype } = engine().tensorInfo(handle);
    return [key, { dtype, data: (await engine().tensorData(handle)).data }] as const;
  });
  return new Map(await Promise.all(entries));
}

/** Asserts that two networks have the same tensors, but for a token that only training uses. */
async function sameNetwork(t: Test, actual: string, expected: string): Promise<void> {
  const [own, theirs] = [await tensorsOf(actual), await tensorsOf(expected)];
  t.same([...own.keys()], [...theirs.keys()]);
  const differing = [...theirs].filter(([key, { data }]) => !sameBits(own.get(key)!.data, data));
  t.same(
    differing.map(([key]) => key).filter((key) => !key.endsWith('mask_token')),
    [],
  );
}

const wholeFile = join(root, 'whole.pt');
const plan = await convert({ backbone: whole, out: wholeFile });

t.test('plan and notes say what the files hold', async (t) => {
  t.match(plan, {
    network: 'eomt',
    dims: { embedDim: 16, depth: 4, heads: 2, queries: 6, queryBlocks: 2, upscaleBlocks: 2, classes: 6 },
    trainedParameters: 6 * 17,
  });
  t.match(plan.notes.join('\n'), /the layout of an EoMT network of transformers/);
  const { notes } = await convert({ backbone: base, head: differences, out: join(root, 'sums.pt') });
  t.match(notes.join('\n'), /added the differences in .*pytorch_model\.bin to the backbone/);
  using model = await SegmentationModel.load(wholeFile);
  t.match(model, { width: 16, hidden: 16, classes: 6, provides: ['decoded'] });
});

t.test('backbone and differences are the whole network bit for bit, whatever the layout', async (t) => {
  const out = join(t.testdir(), 'out.pt');
  await convert({ backbone: base, head: differences, out });
  await sameNetwork(t, out, wholeFile);
  // The backbone of a network file, under Meta's names.
  const alone = join(t.testdirName, 'backbone.pt');
  await convert({ backbone: base, out: alone });
  await convert({ backbone: alone, head: differences, out });
  await sameNetwork(t, out, wholeFile);
});

/** All tensors of the fixture's network, under transformers' names and under the authors'. */
const own: StateDict = readSafetensors(join(whole, 'model.safetensors')).tensors as StateDict;
const authorsNames: [RegExp, string][] = [
  [/^embeddings\.(patch_embeddings\.|)/, 'network.encoder.backbone.patch_embed.$1'],
  [/^layers\./, 'network.encoder.backbone.blocks.'],
  [/^layernorm\./, 'network.encoder.backbone.norm.'],
  [/^query\./, 'network.q.'],
  [/^class_predictor\./, 'network.class_head.'],
  [/^mask_head\.fc1\./, 'network.mask_head.0.'],
  [/^mask_head\.fc2\./, 'network.mask_head.2.'],
  [/^mask_head\.fc3\./, 'network.mask_head.4.'],
  [/^upscale_block\.block\.(\d)\.layernorm2d\./, 'network.upscale.$1.norm.'],
  [/^upscale_block\.block\./, 'network.upscale.'],
  [/^attn_mask_probs$/, 'network.attn_mask_probs'],
];
const toAuthors = (key: string) => authorsNames.reduce((name, [from, to]) => name.replace(from, to), key);

t.test("a training's own checkpoint, whose backbone is whole, is taken as it is", async (t) => {
  const head = join(t.testdir(), 'last.ckpt');
  await torchSave(head, { state_dict: renamed(own, toAuthors), epoch: 3 });
  const out = join(t.testdirName, 'out.pt');
  const { notes } = await convert({ backbone: base, head, out });
  t.match(notes.join('\n'), /the backbone in .*last\.ckpt is whole: it is used as it is/);
  await sameNetwork(t, out, wholeFile);
});

const changed = (change: (tensors: StateDict) => void) => {
  const copy: StateDict = { ...own };
  change(copy);
  return copy;
};

t.test('files that are not an EoMT network in inference are refused', async (t) => {
  const folder = t.testdir();
  const out = join(folder, 'out.pt');
  const file = join(folder, 'model.safetensors');
  const refused = async (tensors: StateDict, code: string, message: RegExp) => {
    await writeTensors(file, tensors);
    await t.rejects(convert({ backbone: file, out, attentionHeads: 2 }), { code, message });
  };
  await refused(
    changed((all) => {
      all['attn_mask_probs'] = { shape: [2], data: Float32Array.of(0, 0.25) };
    }),
    'CHECKPOINT_VALUES',
    /attn_mask_probs of zeros, got 0\.25: this checkpoint is from the middle of a training/,
  );
  await refused(
    changed((all) => {
      delete all['query.weight'];
      delete all['mask_head.fc2.bias'];
    }),
    'CHECKPOINT_KEYS',
    /lacks parts of an EoMT network\.\nMissing \(1\):\n {2}query/,
  );
  await refused(
    changed((all) => {
      delete all['mask_head.fc2.bias'];
      all['upscale_block.block.1.conv2.weight'] = { shape: [16, 1, 5, 5], data: new Float32Array(400) };
    }),
    'CHECKPOINT_KEYS',
    /Missing \(1\):\n {2}mask_head\.fc2\.bias.*\nMisshapen \(1\):\n {2}upscale_block\.block\.1\.conv2\.weight/s,
  );
  await refused(
    changed((all) => {
      for (const key of Object.keys(all)) if (key.startsWith('upscale_block.block.1.')) delete all[key];
    }),
    'CHECKPOINT_KEYS',
    /two upscale blocks.*got 1/,
  );
  await refused(
    changed((all) => {
      all['attn_mask_probs'] = { shape: [9], data: new Float32Array(9) };
    }),
    'CHECKPOINT_KEYS',
    /in one of its 4 blocks, got attn_mask_probs of 9 blocks/,
  );
  await refused(
    changed((all) => {
      all['query.weight'] = { shape: [6, 16], data: new Float32Array(96).fill(NaN) };
    }),
    'CHECKPOINT_VALUES',
    /query\.weight: 96 of 96 values/,
  );
});

t.test('differences need the backbone that they were made from', async (t) => {
  const folder = t.testdir();
  const out = join(folder, 'out.pt');
  const wider = await writeTensors(join(folder, 'wider.safetensors'), backboneIn('meta', 'mlp'));
  await t.rejects(convert({ backbone: wider, head: differences, out }), {
    code: 'HEAD_MISMATCH',
    message: /made for a backbone of width 16, but this backbone's width is 64/,
  });
  const given = readSafetensors(join(base, 'model.safetensors')).tensors as StateDict;
  const last = Object.entries(given).filter(([key]) => key.startsWith('layer.3.'));
  const deeper = await writeTensors(join(folder, 'deeper.safetensors'), {
    ...given,
    ...renamed(Object.fromEntries(last), (key) => key.replace('layer.3.', 'layer.4.')),
  });
  await t.rejects(convert({ backbone: deeper, head: differences, out, attentionHeads: 2 }), {
    code: 'CHECKPOINT_KEYS',
    message: /backbone like the one given.*Missing.*blocks\.4\./s,
  });
  await t.rejects(convert({ backbone: differences, out }), {
    code: 'CHECKPOINT_KEYS',
    message:
      /differences to its DINOv3 backbone. Give the backbone with --backbone, and this file with --head/,
  });
  await t.rejects(convert({ backbone: whole, head: differences, out }), {
    code: 'CHECKPOINT_KEYS',
    message: /whole EoMT network, backbone included. Leave out --head/,
  });
  await t.rejects(convert({ backbone: base, head: whole, out }), {
    code: 'CHECKPOINT_KEYS',
    message: /whole EoMT network, backbone included. Give it with --backbone, and no --head/,
  });
  await t.rejects(convert({ backbone: base, head: differences, task: 'detection', out }), {
    code: 'INVALID_ARGUMENT',
    message: /is an EoMT network, which segments. Leave out --task detection/,
  });
});

t.test('in bfloat16 norms, queries and class_embed stay float32', async (t) => {
  const folder = t.testdir();
  const out = join(folder, 'bfloat16.pt');
  await convert({ backbone: whole, dtype: 'bfloat16', out });
  const stored = await tensorsOf(out);
  const dtypeOf = (key: string) => stored.get(`segmentation_model.${key}`)!.dtype;
  for (const key of [
    '0.backbone.blocks.3.attn.qkv.weight',
    '1.mask_head.fc1.weight',
    '1.upscale.0.conv1.bias',
    '1.upscale.1.conv2.weight',
  ])
    t.equal(dtypeOf(key), 'bfloat16', key);
  for (const key of [
    '0.backbone.norm.weight',
    '1.query.weight',
    '1.class_embed.weight',
    '1.upscale.0.norm.bias',
    '1.attn_mask_probs',
  ])
    t.equal(dtypeOf(key), 'float32', key);

  using exact = await SegmentationModel.load(wholeFile);
  using converted = await SegmentationModel.load(out);
  using cast = await SegmentationModel.load(wholeFile, { dtype: 'bfloat16' });
  using images = Tensor.from(
    Float32Array.from({ length: 2 * 3 * 64 * 96 }, (_, i) => Math.sin(i / 40) * 2),
    [2, 3, 64, 96],
  );
  const masksOf = async (model: SegmentationModel) => {
    using decoded = await model.decode(images);
    t.same(decoded.masks.shape, [2, 6, 16, 24]);
    return decoded.masks.floats();
  };
  const [a, b, c] = [await masksOf(exact), await masksOf(converted), await masksOf(cast)];
  t.ok(sameBits(b, c), 'cast while loading or while converting');
  const error = relativeError(b, a);
  t.ok(error > 0 && error < 0.05, `near to float32: ${error}`);
});

t.test('it has no features of its own, and sizes are refused as elsewhere', async (t) => {
  using model = await SegmentationModel.load(wholeFile);
  using images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  await t.rejects(model.features(images), { code: 'MODEL_FORMAT', message: /no method features/ });
  const ones = new Float32Array(16).fill(1);
  const zeros = new Float32Array(16);
  using probe = await LinearProbe.from({
    ...{ classes: 3, width: 16, weight: new Float32Array(48), bias: new Float32Array(3) },
    ...{ gamma: ones, beta: zeros, runningMean: zeros, runningVar: ones },
  });
  await t.rejects(model.segment(picture(64, 64), { head: probe, imageSize: 64 }), {
    code: 'MODEL_FORMAT',
    message: /of a kind without features of its own/,
  });
  using odd = Tensor.from(new Float32Array(3 * 48 * 64), [1, 3, 48, 64]);
  await t.rejects(model.decode(odd), { code: 'SHAPE', message: /multiples of 32/ });
});

t.test('class_embed is swapped in an exported file', async (t) => {
  const out = join(t.testdir(), 'exported.pt');
  using model = await SegmentationModel.load(wholeFile);
  using head = ClassHead.create({ hidden: 16, classes: 4, precision: 'float32', seed: 1 });
  const image = picture(90, 70);
  const expected = await model.segment(image, { head, imageSize: 64 });
  await exportModel(model, head, out);
  using exported = await SegmentationModel.load(out);
  t.match(exported, { hidden: 16, classes: 4, provides: ['decoded'] });
  using ownHead = ClassHead.ofModel(exported, { precision: 'float32' });
  const map = await exported.segment(image, { head: ownHead, imageSize: 64 });
  t.ok(sameBits(map.data, expected.data));
});

t.test('its parts are timed on their own', async (t) => {
  using model = await SegmentationModel.load(wholeFile);
  using images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  const times = await engine().partTimes(model.handle, images.handle, { repeat: 2 });
  t.same(Object.keys(times), ['backbone', 'mask_head']);
});

t.test('random networks have the published sizes, and masks that are neither full nor empty', async (t) => {
  const large = engine().planArchitecture('dinov3_vitl16_eomt', 151);
  t.match(large, { dims: { embedDim: 1024, depth: 24, queries: 100, queryBlocks: 4, classes: 151 } });
  for (const arch of ['tiny-eomt', 'dinov3_vits16_eomt'] as const) {
    using model = await SegmentationModel.init({ arch, seed: 1 });
    using images = Tensor.from(
      Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i / 7) + Math.cos(i / 1280)),
      [1, 3, 64, 64],
    );
    for (const [name, handle] of Object.entries(await engine().taps(model.handle, images.handle))) {
      const tensor = Tensor.wrap(handle);
      const values = await tensor.floats();
      const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      t.ok(rms > 1e-2 && rms < 1e2, `${arch}: ${name} has a size of ${rms}`);
      if (name !== 'pred_masks') continue;
      const queries = tensor.shape[1]!;
      const pixels = values.length / queries;
      const positive = Array.from({ length: queries }, (_, q) =>
        values.subarray(q * pixels, (q + 1) * pixels).reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0),
      );
      const usable = positive.filter((count) => count > 0.02 * pixels && count < 0.98 * pixels).length;
      t.ok(usable > 0.7 * queries, `${arch}: ${usable} of ${queries} masks have an outline`);
    }
  }
});
