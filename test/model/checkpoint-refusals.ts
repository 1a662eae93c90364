/** Files and folders that hold no backbone of DINOv3, not all of it, or values that cannot be right. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert, inspect } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { formulaKeys } from '../helpers/formula.js';
import { backboneIn, renamed, writeShards, writeTensors, type StateDict } from '../helpers/layouts.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { torchSave } from '../helpers/torch-save.js';

/** What a failed download leaves, and what is said of it. */
const foreign: [name: string, content: string, says: RegExp, code?: string][] = [
  ['nothing', '', /is empty \(0 bytes\).*download the file again/, 'CHECKPOINT_TRUNCATED'],
  [
    'a web page',
    '<!DOCTYPE html><html><head><title>Sign in</title></head></html>',
    /is a web page .*Sign in.*link may have expired/,
  ],
  ['a page in capitals', '\n<HTML><body>403</body></HTML>', /is a web page/],
  [
    'an XML answer',
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>',
    /is an XML answer of a web server .*AccessDenied.*expired/,
  ],
  ['a JSON answer', '{"message":"Not Found"}', /is JSON text.*Not Found.*download the file again/],
  [
    'a Git LFS pointer',
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 26800000000\n',
    /is a Git LFS pointer, not the file itself; fetch it with git lfs pull/,
  ],
];

t.test('what a failed download leaves is named, as a checkpoint and as a network', async (t) => {
  const folder = t.testdir();
  const { head } = await writeFormulaCheckpoints(folder);
  const path = join(folder, 'download.pth');
  for (const [name, content, message, code = 'CHECKPOINT_FORMAT'] of foreign) {
    await writeFile(path, content);
    await t.rejects(convert({ backbone: path, head, out: join(folder, 'out.pt') }), { code, message }, name);
    await t.rejects(inspect(path), { code, message }, `inspect: ${name}`);
    await t.rejects(SegmentationModel.load(path), { code: 'MODEL_FORMAT', message }, `a network: ${name}`);
    await t.rejects(DetectionModel.load(path), { code: 'MODEL_FORMAT', message }, `a detector: ${name}`);
  }
  await t.rejects(SegmentationModel.load(head), {
    code: 'MODEL_FORMAT',
    message: /contains weights alone: make a network file of checkpoints with convert/,
  });
});

t.test('folders without weights, or with a part of them', async (t) => {
  const root = t.testdir({ hf: {}, none: {}, other: {}, distcp: {}, broken: {} });
  const { head } = await writeFormulaCheckpoints(root, 'seg-mlp');
  const refused = (name: string, code: string, message: RegExp) =>
    t.rejects(
      convert({ backbone: join(root, name), head, out: join(root, 'out.pt') }),
      { code, message },
      name,
    );
  const tensors = backboneIn('hugging-face', 'mlp');
  const map = await writeShards(join(root, 'hf'), tensors, 3);

  await refused('none', 'CHECKPOINT_FORMAT', /contains none of model\.safetensors, .*pytorch_model\.bin/);
  await writeFile(join(root, 'other', 'weights.pth'), '');
  await refused('other', 'CHECKPOINT_FORMAT', /Give the file itself: it contains weights\.pth/);
  await writeFile(join(root, 'distcp', '__0_0.distcp'), '');
  await refused('distcp', 'CHECKPOINT_FORMAT', /distributed checkpoint .*dcp_to_torch/);
  await refused('absent', 'FILE_NOT_FOUND', /absent does not exist/);
  const shard = 'hf/model-00002-of-00003.safetensors';
  t.ok((await inspect(join(root, shard))).tensors.length > 0, 'a single shard can be listed');
  await refused(shard, 'CHECKPOINT_KEYS', /part of the network.*Give the folder/);

  const index = join(root, 'hf', 'model.safetensors.index.json');
  const list = (weights: Record<string, unknown>) =>
    writeFile(index, JSON.stringify({ weight_map: weights }));
  await list({ ...map, 'layer.9.norm1.weight': 'model-00003-of-00003.safetensors' });
  await refused(
    'hf',
    'CHECKPOINT_KEYS',
    /incomplete.*Missing \(1\):\s+layer\.9\.norm1\.weight \(model-00003/s,
  );
  await list({ ...map, a: 'model-00004-of-00004.safetensors' });
  await refused('hf', 'FILE_NOT_FOUND', /lacks 1 file of 4 .*model-00004-of-00004\.safetensors.*again/);
  await list({ a: '../elsewhere.safetensors' });
  await refused('hf', 'CHECKPOINT_FORMAT', /is not an index of weights/);
  await writeFile(index, '<html>');
  await refused('hf', 'CHECKPOINT_FORMAT', /index\.json is not JSON/);
  await list(map);
  await rm(join(root, 'hf', 'model-00002-of-00003.safetensors'));
  await refused('hf', 'FILE_NOT_FOUND', /lacks 1 file of 3 .*model-00002-of-00003\.safetensors/);
  const [first] = Object.entries(tensors);
  await writeTensors(join(root, 'hf', 'model-00002-of-00003.safetensors'), { [first![0]]: first![1] });
  await refused('hf', 'CHECKPOINT_KEYS', /embeddings\.cls_token' is also in another file/);
});

t.test('the configuration of another network', async (t) => {
  const root = t.testdir();
  const { head } = await writeFormulaCheckpoints(root, 'seg-mlp');
  await writeTensors(join(root, 'model.safetensors'), backboneIn('hugging-face', 'mlp'));
  for (const [config, message] of [
    [{ model_type: 'dinov3_convnext' }, /describes a ConvNeXt .*not supported/],
    [{ model_type: 'dinov2_with_registers' }, /describes a DINOv2 network .*not supported/],
    [{ patch_size: 14 }, /patch_size 14, but DINOv3's ViTs have 16/],
    [{ layer_norm_eps: 1e-6 }, /layer_norm_eps 0\.000001/],
    [{ use_gated_mlp: false, hidden_act: 'relu' }, /hidden_act "relu", .* have "gelu"/],
    [{ num_attention_heads: 'six' }, /attentionHeads "six"; expected a number/],
  ] as const) {
    await writeFile(join(root, 'config.json'), JSON.stringify(config));
    const refused = convert({ backbone: root, head, out: join(root, 'out.pt') });
    await t.rejects(refused, { code: 'CHECKPOINT_KEYS', message }, JSON.stringify(config));
    t.ok((await inspect(root)).tensors.length > 0, 'inspect lists it');
  }
  await writeFile(join(root, 'config.json'), '[]');
  await t.rejects(convert({ backbone: root, head, out: join(root, 'out.pt') }), {
    code: 'CHECKPOINT_FORMAT',
    message: /config\.json should contain an object/,
  });
});

const zeros = (...shape: number[]) => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});
const without = (tensors: StateDict, pattern: RegExp): StateDict =>
  Object.fromEntries(Object.entries(tensors).filter(([key]) => !pattern.test(key)));

t.test('other networks, and keys that speak against every layout', async (t) => {
  const root = t.testdir();
  const { head } = await writeFormulaCheckpoints(root, 'seg-mlp');
  const meta = backboneIn('meta', 'mlp');
  const hf = backboneIn('hugging-face', 'mlp');
  const { 'patch_embed.proj.weight': _patches, ...others } = meta;
  const cases: [name: string, tensors: StateDict, message: RegExp][] = [
    [
      'Meta ConvNeXt',
      { 'downsample_layers.0.0.weight': zeros(96, 3, 4, 4), 'stages.0.0.dwconv.weight': zeros(96, 1, 7, 7) },
      /holds a ConvNeXt \(stages\.0\.0\.dwconv\.weight\), which is not supported\. Give a ViT/,
    ],
    [
      'Hugging Face ConvNeXt',
      { 'model.stages.0.layers.0.depthwise_conv.weight': zeros(96, 1, 7, 7) },
      /holds a ConvNeXt/,
    ],
    ['timm ConvNeXt', { 'stages.0.blocks.0.conv_dw.weight': zeros(96, 1, 7, 7) }, /holds a ConvNeXt/],
    [
      'DINOv2',
      { ...others, 'patch_embed.proj.weight': zeros(64, 3, 14, 14), pos_embed: zeros(1, 1370, 64) },
      /learned position embeddings \(pos_embed, patches of 14×14 pixels\), such as DINOv2/,
    ],
    [
      'Hugging Face DINOv2',
      { 'dinov2.embeddings.position_embeddings': zeros(1, 1370, 64) },
      /\(dinov2\.embeddings\.position_embeddings\), such as DINOv2/,
    ],
    [
      'patches of 8',
      { ...others, 'patch_embed.proj.weight': zeros(64, 3, 8, 8) },
      /a ViT with patches of 8×8 pixels; DINOv3's have 16×16/,
    ],
    [
      'a key missing in one block',
      without(hf, /layer\.2\.attention\.k_proj\.weight/),
      /keys of a DINOv3 backbone.*Missing \(1\):\s+layer\.2\.attention\.k_proj\.weight \[64, 64\]/s,
    ],
    [
      'a bias missing in one block',
      without(hf, /layer\.2\.attention\.v_proj\.bias/),
      /Missing \(1\):\s+layer\.2\.attention\.v_proj\.bias \[64\]/,
    ],
    ['a key too many', { ...hf, 'layer.1.extra': zeros(2) }, /Unexpected \(1\):\s+layer\.1\.extra \[2\]/],
    [
      'a part of another shape',
      { ...hf, 'layer.1.attention.v_proj.weight': zeros(64, 32) },
      /Misshapen \(1\):\s+layer\.1\.attention\.v_proj\.weight: expected \[64, 64\], got \[64, 32\]/,
    ],
    [
      'no norms in any block',
      without(hf, /norm1/),
      /in a known layout\. The nearest layout is that of Hugging Face transformers\.\nMissing \(1\):\s+layer\.N\.norm1/,
    ],
    [
      'an unknown prefix',
      renamed(meta, (key) => `visual.trunk.${key}`),
      /keys after 'visual\.trunk\.' have the layout of Meta, but what stands before them is not known/,
    ],
    ['something else', { a: zeros(2), b: zeros(3) }, /Unexpected \(2\):\s+a\s+b/],
    [
      'a head',
      Object.fromEntries(Object.entries(formulaKeys('seg-mlp').head).map(([k, s]) => [k, zeros(...s)])),
      /keys of a head: give the file as --head/,
    ],
  ];
  for (const [name, tensors, message] of cases) {
    const backbone = await writeTensors(join(root, 'backbone.safetensors'), tensors);
    const refused = convert({ backbone, head, out: join(root, 'out.pt'), attentionHeads: 4 });
    await t.rejects(refused, { code: 'CHECKPOINT_KEYS', message }, name);
    t.equal((await inspect(backbone)).tensors.length, Object.keys(tensors).length, `inspect lists ${name}`);
  }
  const wide = await writeFormulaCheckpoints(join(root), 'det');
  await t.rejects(convert({ backbone: wide.backbone, head: wide.head, out: join(root, 'out.pt') }), {
    code: 'CHECKPOINT_KEYS',
    message: /is a detection head/,
  });
  await torchSave(join(root, 'two.pth'), { generator: meta, discriminator: meta });
  await t.rejects(inspect(join(root, 'two.pth')), {
    code: 'CHECKPOINT_FORMAT',
    message: /Tensors are under 'generator', 'discriminator'; save the intended one/,
  });
});

/** A copy with one value changed. */
function spoiled(tensors: StateDict, key: string, index: number, value: number): StateDict {
  const { shape, data } = tensors[key]!;
  const changed = Float32Array.from(data);
  changed[index] = value;
  return { ...tensors, [key]: { shape, data: changed } };
}

t.test('values that are not finite are told by key, and nothing is written', async (t) => {
  const root = t.testdir({ out: {}, head: {} });
  const { head } = await writeFormulaCheckpoints(root, 'seg-mlp');
  const out = join(root, 'out', 'model.pt');
  const refused = async (t: Test, tensors: StateDict, message: RegExp, dtype: 'float32' | 'bfloat16') => {
    const backbone = await writeTensors(join(root, 'backbone.safetensors'), tensors);
    await t.rejects(convert({ backbone, head, out, dtype, attentionHeads: 4 }), {
      code: 'CHECKPOINT_VALUES',
      message,
    });
    t.same(await readdir(join(root, 'out')), []);
  };
  const meta = backboneIn('meta', 'mlp');
  const twice = spoiled(spoiled(meta, 'blocks.2.mlp.fc1.weight', 5, NaN), 'norm.bias', 0, Infinity);
  const both =
    /NaN or infinite \(2\):\s+blocks\.2\.mlp\.fc1\.weight: 1 of 16384 values\s+norm\.bias: 1 of 64/;
  for (const dtype of ['float32', 'bfloat16'] as const) await refused(t, twice, both, dtype);
  const joined = spoiled(backboneIn('hugging-face', 'mlp'), 'layer.1.attention.v_proj.weight', 9, -Infinity);
  const parts = 'layer\\.1\\.attention\\.q_proj\\.weight, .*k_proj\\.weight, .*v_proj\\.weight: 1 of 12288';
  await refused(t, joined, new RegExp(parts), 'float32');
  const large = spoiled(meta, 'blocks.0.mlp.fc1.weight', 3, 3.4e38);
  await refused(
    t,
    large,
    /too large for bfloat16.*blocks\.0\.mlp\.fc1\.weight: 1 of.*dtype float32/s,
    'bfloat16',
  );

  await writeTensors(join(root, 'backbone.safetensors'), meta);
  const { tensors } = await engine().readTensors(head);
  const key = 'segmentation_model.1.predictor.class_embed.weight';
  const { data, shape } = await engine().tensorData(tensors[key]!);
  using weight = Tensor.from(Float32Array.from(data as Float32Array).fill(NaN, 7, 9), shape);
  const spoiledHead = join(root, 'head', 'head.safetensors');
  await engine().writeSafetensors(spoiledHead, { ...tensors, [key]: weight.handle }, {});
  await t.rejects(convert({ backbone: join(root, 'backbone.safetensors'), head: spoiledHead, out }), {
    code: 'CHECKPOINT_VALUES',
    message: /class_embed\.weight: 2 of/,
  });
  t.same(await readdir(join(root, 'out')), []);
});

t.test('values without effect may be anything', async (t) => {
  const root = t.testdir();
  const { head } = await writeFormulaCheckpoints(root, 'seg-mlp');
  const backbone = join(root, 'backbone.safetensors');
  const [plain, mended] = [join(root, 'plain.pt'), join(root, 'mended.pt')];
  const meta = backboneIn('meta', 'mlp');
  const [biases, mask] = [Object.keys(meta).filter((key) => key.endsWith('qkv.bias')), '_mask'];
  await writeTensors(backbone, meta);
  t.same((await convert({ backbone, head, out: plain })).notes, []);

  let spoilt = meta;
  for (const key of biases) spoilt = spoiled(spoilt, key, 64 + 3, NaN);
  await writeTensors(backbone, spoilt);
  t.same((await convert({ backbone, head, out: mended })).notes, []);
  t.ok((await readFile(mended)).equals(await readFile(plain)), 'biases for keys, under their mask');

  for (const key of biases)
    spoilt = { ...spoilt, [key + mask]: { shape: [192], data: new Float32Array(192).fill(NaN) } };
  await writeTensors(backbone, spoilt);
  t.match((await convert({ backbone, head, out: mended })).notes, [/bias_mask is not finite in the file/]);
  t.ok((await readFile(mended)).equals(await readFile(plain)), 'the masks themselves');

  await writeTensors(backbone, spoiled(meta, 'mask_token', 0, Infinity));
  t.match((await convert({ backbone, head, out: mended })).notes, [
    /mask_token, which inference does not use/,
  ]);
  await mkdir(join(root, 'swiglu'));
  const swiglu = await writeFormulaCheckpoints(join(root, 'swiglu'));
  await writeTensors(swiglu.backbone, spoiled(backboneIn('meta', 'swiglu'), 'local_cls_norm.bias', 0, NaN));
  t.match((await convert({ ...swiglu, out: mended })).notes, [/local_cls_norm\.bias, which inference/]);
});
