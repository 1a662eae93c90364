/** TorchScript files made elsewhere (test/fixtures/torchscript/make.py), and what is refused of them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { close } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { torchSave } from '../helpers/torch-save.js';

const fixture = (name: string) => join(import.meta.dirname, '../fixtures/torchscript', name);
const images = (count: number) =>
  Tensor.from(
    Float32Array.from({ length: count * 3 * 32 * 64 }, (_, i) => i / 3000 - 1),
    [count, 3, 32, 64],
  );
const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

t.test('a network with the methods runs, whatever is inside', async (t) => {
  using model = await SegmentationModel.load(fixture('foreign.pt'));
  t.match(model, { hidden: 8, classes: 6, dtype: 'float32' });
  using one = images(1);
  const { predLogits, predMasks } = await model.forward(one);
  t.same(predLogits.shape, [1, 5, 6]);
  t.same(predMasks.shape, [1, 5, 8, 16]);
  // The sums that PyTorch printed when the file was made.
  const sums = [sum(await predLogits.floats()), sum(await predMasks.floats())];
  close(t, 'sums', sums, [-0.758651614189148, 165.3032989501953], { rtol: 1e-5 });

  using head = ClassHead.create({ hidden: model.hidden, classes: 3 });
  const picture = { data: new Uint8Array(40 * 70 * 3).fill(90), width: 70, height: 40 };
  const { data } = await model.segment(picture, { head, imageSize: 64 });
  t.equal(data.length, 40 * 70);
});

// The sums that PyTorch printed when the files were made.
for (const [name, expected] of [
  ['resnet.pt', [-1.0967106819152832, 491.3397216796875]],
  ['vit.pt', [-20.365678787231445, 271.5966796875]],
  ['quantised.pt', [2.125242233276367, 184.79379272460938]],
] as const)
  t.test(`${name}, of plain PyTorch, is trusted to compute`, async (t) => {
    using model = await SegmentationModel.load(fixture(name), { device: 'cpu' });
    const count = 3 * 32 * 64;
    const values = Float32Array.from({ length: count }, (_, i) => -1 + (2 * i) / (count - 1));
    using one = Tensor.from(values, [1, 3, 32, 64]);
    const { queries, masks } = await model.decode(one);
    t.same(masks.shape.slice(0, 2), [1, 5]);
    close(t, 'sums', [sum(await queries.floats()), sum(await masks.floats())], expected, { rtol: 1e-3 });
  });

t.test('what the network itself raises arrives as TORCH, and it goes on working', async (t) => {
  using model = await SegmentationModel.load(fixture('foreign.pt'));
  using three = images(3);
  await t.rejects(model.decode(three), { code: 'TORCH', message: /at most two images/ });
  using two = images(2);
  t.same((await model.decode(two)).queries.shape, [2, 5, 8]);
});

for (const [name, why] of [
  ['no-decode.pt', /no method decode/],
  ['no-head.pt', /no sub-module class_embed/],
  ['../checkpoints/plain.pth', /cannot be loaded as TorchScript/],
] as const)
  t.test(`${name} is refused`, async (t) => {
    await t.rejects(SegmentationModel.load(fixture(name)), { code: 'MODEL_FORMAT', message: why });
  });

t.test('what is no network is named: answers of servers, pointers, heads', async (t) => {
  const root = t.testdir();
  const files: Record<string, [content: string | Uint8Array, message: RegExp]> = {
    'empty.pth': ['', /is empty \(0 bytes\)/],
    'html.pth': ['<!DOCTYPE html><html><head><title>Sign in</title></head></html>', /is a web page/],
    'json.pth': ['{"message":"Not Found"}', /is JSON text/],
    'xml.pth': [
      '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
      /is an XML answer of a web server/,
    ],
    'lfs.pth': [
      `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 132\n`,
      /is a Git LFS pointer.*git lfs pull/,
    ],
    'picture.png': [Buffer.from('89504e470d0a1a0a0000', 'hex'), /is not a TorchScript file/],
  };
  for (const [name, [content, message]] of Object.entries(files)) {
    const path = join(root, name);
    await writeFile(path, content);
    await t.rejects(SegmentationModel.load(path), { code: 'MODEL_FORMAT', message }, name);
    const { code, stderr } = await runCommand([
      'predict',
      '--model',
      path,
      '--output',
      join(root, 'out'),
      path,
    ]);
    t.equal(code, 1);
    t.match(stderr, message, `predict --model ${name}`);
  }
  using head = ClassHead.create({ hidden: 8, classes: 3 });
  const headFile = join(root, 'head.safetensors');
  await head.save(headFile);
  const foreign = join(root, 'head.pth');
  const tensor = (shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
  await torchSave(foreign, { 'x.class_embed.weight': tensor([3, 8]), 'x.class_embed.bias': tensor([3]) });
  for (const path of [headFile, foreign])
    await t.rejects(SegmentationModel.load(path), {
      code: 'MODEL_FORMAT',
      message: /is a head file \(a class_embed head\), not a network: give it as the head \(--head\)/,
    });
});

t.test('only a network made by convert can be cast while loading', async (t) => {
  await t.rejects(SegmentationModel.load(fixture('foreign.pt'), { dtype: 'bfloat16' }), {
    code: 'MODEL_FORMAT',
    message: /load it with dtype stored/,
  });
});
