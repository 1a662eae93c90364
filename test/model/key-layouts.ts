/** Backbones of every publisher's layout give the network of Meta's file. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { formulaTensor } from '../helpers/formula.js';
import { backboneIn, renamed, writeShards, writeTensors } from '../helpers/layouts.js';
import { writeFormulaModel } from '../helpers/network.js';
import { torchSave, type Saved } from '../helpers/torch-save.js';

/** The values of a network's backbone by key, as text of their bits. */
async function backboneOf(path: string): Promise<Map<string, string>> {
  const prefix = /^(segmentation_model\.0\.backbone\.|backbone\.0\._backbone\.backbone\.)/;
  const { tensors } = await engine().readTensors(path);
  const own = Object.entries(tensors).filter(([key]) => prefix.test(key));
  const values = own.map(async ([key, handle]) => {
    const { data, shape } = await engine().tensorData(handle);
    const bits = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
    return [key.replace(prefix, ''), `${shape.join('×')} ${bits}`] as const;
  });
  return new Map(await Promise.all(values));
}

/** Asserts that two networks have the same backbone, but for keys that have no effect. */
async function sameBackbone(t: Test, path: string, meta: string, apart: readonly string[] = []) {
  const [own, theirs] = [await backboneOf(path), await backboneOf(meta)];
  const differing = [...theirs].filter(([key, value]) => own.get(key) !== value).map(([key]) => key);
  t.same(differing, apart);
  t.same(
    [...own.keys()].filter((key) => !theirs.has(key)),
    [],
  );
}

const headsOf = { swiglu: 2, mlp: 4 };
const unused = { norm: ['local_cls_norm.weight', 'local_cls_norm.bias'], token: ['mask_token'] };

for (const [layout, feedForward, apart] of [
  ['hugging-face', 'swiglu', unused.norm],
  ['hugging-face', 'mlp', []],
  ['timm', 'swiglu', [...unused.token, ...unused.norm]],
  ['timm', 'mlp', unused.token],
] as const)
  t.test(`${layout}'s ${feedForward} backbone gives the network of Meta's file`, async (t) => {
    const folder = t.testdir({ meta: {}, own: {} });
    const meta = await writeFormulaModel(join(folder, 'meta'), `seg-${feedForward}`);
    const backbone = await writeTensors(
      join(folder, 'own', 'weights.safetensors'),
      backboneIn(layout, feedForward),
    );
    const out = join(folder, 'own', 'model.pt');
    const head = join(folder, 'meta', 'head.safetensors');
    const { notes } = await convert({ backbone, head, out, attentionHeads: headsOf[feedForward] });
    t.match(notes.join('\n'), layout === 'timm' ? /layout of timm/ : /layout of Hugging Face/);
    t.match(notes.join('\n'), /computed rope_embed\.periods for \d attention heads and base 100/);
    await sameBackbone(t, out, meta, apart);
    if (apart.length === 0)
      t.ok((await readFile(out)).equals(await readFile(meta)), 'the files are the same');

    using a = await SegmentationModel.load(meta);
    using b = await SegmentationModel.load(out);
    const image = formulaTensor('image', [1, 3, 64, 96]);
    using images = Tensor.from(image.data, image.shape);
    const [own, theirs] = [await b.decode(images), await a.decode(images)];
    t.same(await own.queries.floats(), await theirs.queries.floats());
    t.same(await own.masks.floats(), await theirs.masks.floats());
  });

t.test('config.json beside the weights gives heads and base', async (t) => {
  const folder = t.testdir({ meta: {}, hf: {} });
  const meta = await writeFormulaModel(join(folder, 'meta'), 'seg-mlp');
  const [hf, head] = [join(folder, 'hf'), join(folder, 'meta', 'head.safetensors')];
  await writeTensors(join(hf, 'model.safetensors'), backboneIn('hugging-face', 'mlp'));
  const out = join(folder, 'model.pt');
  const configure = (config: object) => writeFile(join(hf, 'config.json'), JSON.stringify(config));

  await configure({ model_type: 'dinov3_vit', num_attention_heads: 4, rope_theta: 100 });
  await convert({ backbone: hf, head, out });
  t.ok((await readFile(out)).equals(await readFile(meta)), 'a folder');
  await convert({ backbone: join(hf, 'model.safetensors'), head, out });
  t.ok((await readFile(out)).equals(await readFile(meta)), 'its file');

  // transformers 5
  await configure({ num_attention_heads: 4, rope_parameters: { rope_theta: 25 } });
  await convert({ backbone: hf, head, out });
  const periods = await engine().readTensors(out, ['segmentation_model.0.backbone.rope_embed.periods']);
  const [values] = Object.values(periods.tensors);
  const base25 = [0, 1, 2, 3].map((i) => Math.fround(25 ** (i / 4)));
  t.same(Array.from((await engine().tensorData(values!)).data as Float32Array), base25);

  await configure({});
  await t.rejects(convert({ backbone: hf, head, out }), {
    code: 'CHECKPOINT_KEYS',
    message: /does not state its number of attention heads.*64 wide.*--attention-heads N/,
  });
  await t.rejects(convert({ backbone: hf, head, out, attentionHeads: 5 }), {
    code: 'CHECKPOINT_KEYS',
    message: /width 64 cannot have 5 attention heads/,
  });
  const backbone = join(folder, 'meta', 'backbone.safetensors');
  await t.rejects(convert({ backbone, head, out, attentionHeads: 2 }), {
    code: 'CHECKPOINT_KEYS',
    message: /Expected 2 attention heads, but .* rope_embed\.periods of 4/,
  });
});

t.test('weights in several files and in pytorch_model.bin', async (t) => {
  const folder = t.testdir({ meta: {}, bin: {} });
  const meta = await readFile(await writeFormulaModel(join(folder, 'meta'), 'seg-mlp'));
  const head = join(folder, 'meta', 'head.safetensors');
  const out = join(folder, 'model.pt');
  const tensors = backboneIn('hugging-face', 'mlp');
  const convertFrom = async (backbone: string) => {
    await convert({ backbone, head, out, attentionHeads: 4 });
    return (await readFile(out)).equals(meta);
  };
  await writeShards(join(folder, 'shards'), tensors, 3);
  t.ok(await convertFrom(join(folder, 'shards')), 'shards');
  t.ok(await convertFrom(join(folder, 'shards', 'model.safetensors.index.json')), 'their index');
  await torchSave(join(folder, 'bin', 'pytorch_model.bin'), tensors);
  t.ok(await convertFrom(join(folder, 'bin')), 'pytorch_model.bin');
  await writeTensors(
    join(folder, 'model.safetensors'),
    renamed(tensors, (key) => `model.${key}`),
  );
  t.ok(await convertFrom(join(folder, 'model.safetensors')), 'a leading model.');
  await torchSave(
    join(folder, 'state.pth'),
    renamed(tensors, (key) => key.replace(/^layer\./, 'model.layer.')),
  );
  t.ok(await convertFrom(join(folder, 'state.pth')), 'the state dict of releases after 5.3');
});

t.test('what training wraps around a backbone is taken off, and said', async (t) => {
  const folder = t.testdir({ meta: {} });
  const meta = await readFile(await writeFormulaModel(join(folder, 'meta'), 'seg-mlp'));
  const head = join(folder, 'meta', 'head.safetensors');
  const [backbone, out] = [join(folder, 'backbone.pth'), join(folder, 'model.pt')];
  const tensors = backboneIn('meta', 'mlp');
  const under = (prefix: string) => renamed(tensors, (key) => prefix + key);
  const other = { shape: [4, 4], data: new Float32Array(16) };
  const cases: [name: string, content: Saved, ...notes: RegExp[]][] = [
    ['nothing', tensors],
    [
      'parameters',
      Object.fromEntries(Object.entries(tensors).map(([k, v]) => [k, { ...v, parameter: true }])),
    ],
    ['module.', under('module.'), /after 'module\.'/],
    ['_orig_mod.', under('_orig_mod.'), /removed '_orig_mod\.'/],
    ['module._orig_mod.', under('module._orig_mod.'), /removed '_orig_mod\.'/, /after 'module\.'/],
    [
      'compiled blocks',
      renamed(tensors, (key) => key.replace(/^(blocks\.\d+\.)/, '$1_orig_mod.')),
      /removed '_orig_mod\.'/,
    ],
    ['teacher.backbone.', under('teacher.backbone.'), /after 'teacher\.backbone\.'/],
    ['teacher', { teacher: tensors }, /under 'teacher'/],
    [
      'teacher and student',
      {
        teacher: { ...under('backbone.'), 'dino_head.mlp.0.weight': other },
        student: under('backbone.'),
        iteration: 10,
      },
      /under 'teacher'; those under 'student' are not used/,
      /after 'backbone\.'/,
      /not used: those under 'dino_head'/,
    ],
    [
      'teacher. and student.',
      { ...renamed(under('student.backbone.'), (key) => key), ...under('teacher.backbone.') },
      /after 'teacher\.backbone\.'/,
      /those under 'student'/,
    ],
    ['student', { student: under('backbone.') }, /under 'student'/],
    ['model', { model: tensors, optimizer: { state: { 0: { momentum: other } } }, epoch: 3 }, /'optimizer'/],
    ['model of a teacher', { model: { teacher: under('module.backbone.') } }, /'model\.teacher'/],
    ['Lightning', { state_dict: under('model.backbone.') }, /'state_dict'/, /'model\.backbone\.'/],
    [
      'no mask_token',
      Object.fromEntries(Object.entries({ ...tensors }).filter(([k]) => k !== 'mask_token')),
      /mask_token/,
    ],
  ];
  for (const [name, content, ...expected] of cases) {
    await torchSave(backbone, content);
    const { notes } = await convert({ backbone, head, out });
    for (const note of expected) t.match(notes.join('\n'), note, name);
    if (expected.length === 0) t.same(notes, [], `${name}: no notes`);
    if (name === 'no mask_token') await sameBackbone(t, out, join(folder, 'meta', 'model.pt'), unused.token);
    else t.ok((await readFile(out)).equals(meta), name);
  }
});

t.test('half and double precision', async (t) => {
  const folder = t.testdir({ meta: {} });
  const meta = await writeFormulaModel(join(folder, 'meta'), 'seg-mlp');
  const head = join(folder, 'meta', 'head.safetensors');
  const [backbone, out] = [join(folder, 'backbone.pth'), join(folder, 'model.pt')];
  const saved = (dtype: 'float16' | 'float64') =>
    Object.fromEntries(Object.entries(backboneIn('meta', 'mlp')).map(([k, v]) => [k, { ...v, dtype }]));
  await torchSave(backbone, saved('float64'));
  await convert({ backbone, head, out });
  await sameBackbone(t, out, meta);
  await torchSave(backbone, saved('float16'));
  const { notes } = await convert({ backbone, head, out });
  t.match(notes, [/rope_embed\.periods are float16 in the file: computed anew/]);
  const rounded = await backboneOf(out);
  const exact = await backboneOf(meta);
  const key = 'rope_embed.periods';
  t.equal(rounded.get(key), exact.get(key), 'the periods are not rounded');
  t.not(rounded.get('norm.weight'), exact.get('norm.weight'));
});

t.test("a network's file gives its backbone", async (t) => {
  const folder = t.testdir({ seg: {}, det: {} });
  const segmentor = await writeFormulaModel(join(folder, 'seg'));
  const detector = await writeFormulaModel(join(folder, 'det'), 'det');
  const out = join(folder, 'out.pt');
  for (const [backbone, prefix] of [
    [segmentor, 'segmentation_model.0.backbone.'],
    [detector, 'backbone.0._backbone.backbone.'],
  ] as const) {
    const { notes } = await convert({ backbone, head: join(folder, 'seg', 'head.safetensors'), out });
    t.ok(notes.join('\n').includes(`after '${prefix}'`), notes.join('\n'));
    await sameBackbone(t, out, backbone);
  }
  await convert({
    backbone: segmentor,
    head: join(folder, 'det', 'head.safetensors'),
    out,
    task: 'detection',
  });
  await sameBackbone(t, out, segmentor);
});

t.test('a head inside something larger', async (t) => {
  const folder = t.testdir({ seg: {} });
  const meta = await writeFormulaModel(join(folder, 'seg'));
  const backbone = join(folder, 'seg', 'backbone.safetensors');
  const [head, out] = [join(folder, 'head.safetensors'), join(folder, 'out.pt')];
  const { tensors } = await engine().readTensors(join(folder, 'seg', 'head.safetensors'));
  const wrapped = Object.entries(tensors).map(([key, handle]) => [`module._orig_mod.${key}`, handle]);
  await engine().writeSafetensors(head, Object.fromEntries(wrapped) as typeof tensors, {});
  const { notes } = await convert({ backbone, head, out });
  t.match(notes, [/removed '_orig_mod\.'/, /head's keys begin after 'module\.'/]);
  t.ok((await readFile(out)).equals(await readFile(meta)), 'wrappers of training');

  const whole = await convert({ backbone, head: meta, out });
  t.match(whole.notes.join(), /taken out of a file with other weights/);
  t.ok((await readFile(out)).equals(await readFile(meta)), "a network's file");
});
