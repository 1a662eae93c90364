import { join } from 'node:path';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { startProgram } from '../helpers/command-line.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const key = 'segmentation_model.1.predictor.class_embed';

/** Writes named tensors to a safetensors file, as other programs would. */
async function writeForeign(path: string, tensors: Record<string, [Float32Array, number[]]>): Promise<void> {
  const handles = Object.entries(tensors).map(
    ([name, [data, shape]]) => [name, Tensor.from(data, shape).handle] as const,
  );
  await engine().writeSafetensors(path, Object.fromEntries(handles), {});
}

t.test('a new head has xavier-uniform weights by its seed and a zero bias', async (t) => {
  using head = ClassHead.create({ hidden: 300, classes: 26, seed: 5 });
  const { weight, bias, optimizer } = await head.state();
  const bound = Math.sqrt(6 / (300 + 26));
  const largest = weight.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  t.ok(largest <= bound && largest > 0.99 * bound, `largest weight ${largest} of at most ${bound}`);
  const variance = weight.reduce((sum, value) => sum + value * value, 0) / weight.length;
  t.ok(Math.abs(variance / (bound ** 2 / 3) - 1) < 0.05, 'the variance of a uniform distribution');
  t.ok(bias.every((value) => value === 0));
  t.equal(optimizer.steps, 0);
  using same = ClassHead.create({ hidden: 300, classes: 26, seed: 5 });
  t.ok(sameBits((await same.state()).weight, weight), 'the same seed gives the same weights');
  using other = ClassHead.create({ hidden: 300, classes: 26, seed: 6 });
  t.notOk(sameBits((await other.state()).weight, weight), 'another seed gives others');
});

t.test('a head comes back from its file, with its classes and its optimiser', async (t) => {
  const path = join(t.testdir(), 'head.safetensors');
  const classSet = await loadClassSet('cityscapes19');
  using head = ClassHead.create({ hidden: 8, classes: classSet, precision: 'float32', seed: 1 });
  using queries = Tensor.from(
    Float32Array.from({ length: 3 * 8 }, (_, i) => Math.sin(i)),
    [1, 3, 8],
  );
  using gradient = Tensor.from(
    Float32Array.from({ length: 3 * 19 }, (_, i) => Math.cos(i)),
    [1, 3, 19],
  );
  for (let step = 0; step < 3; step++) {
    await head.backward(queries, gradient);
    await head.step({ learningRate: 1e-2 });
  }
  const run = JSON.stringify({ epoch: 2 });
  await head.save(path, {
    optimizer: true,
    metadata: { epoch: 2, mIoU: 0.25, modelId: 'abc', imageSize: 96, run },
  });
  using read = await ClassHead.load(path);
  t.same(await read.state(), await head.state());
  t.equal((await read.state()).optimizer.steps, 3);
  t.same(read.metadata, {
    classSet,
    precision: 'float32',
    epoch: 2,
    mIoU: 0.25,
    modelId: 'abc',
    imageSize: 96,
    run,
  });

  const { tensors, metadata } = readSafetensors(path);
  t.same(tensors[`${key}.weight`]!.shape, [19, 8]);
  t.same(tensors[`${key}.bias`]!.shape, [19]);
  t.match(metadata, { format: 'dinov3-seg head', formatVersion: '1', epoch: '2', mIoU: '0.25' });

  await head.save(path);
  t.same(Object.keys(readSafetensors(path).tensors).sort(), [`${key}.bias`, `${key}.weight`]);
  using plain = await ClassHead.load(path);
  t.equal((await plain.state()).optimizer.steps, 0);
});

t.test('a head is taken out of a checkpoint from elsewhere, whatever stands before its name', async (t) => {
  const folder = t.testdir();
  const weight = Float32Array.from({ length: 26 * 4 }, (_, i) => i / 100);
  const bias = Float32Array.from({ length: 26 }, (_, i) => -i);
  const prefixes = ['', `${key.replace('.class_embed', '')}.`, `module.${key.replace('.class_embed', '')}.`];
  for (const [i, prefix] of prefixes.entries()) {
    const path = join(folder, `${i}.safetensors`);
    await writeForeign(path, {
      [`${prefix}class_embed.weight`]: [weight, [26, 4]],
      [`${prefix}class_embed.bias`]: [bias, [26]],
      [`${prefix}mask_embed.weight`]: [new Float32Array(2), [2]],
    });
    using head = await ClassHead.import(path, { classes: await loadClassSet('idd26') });
    t.match(head, { classes: 26, hidden: 4 });
    t.equal(head.classSet?.name, 'idd26');
    const state = await head.state();
    t.same([state.weight, state.bias], [weight, bias]);
    await t.rejects(ClassHead.load(path), { code: 'CHECKPOINT_FORMAT', message: /ClassHead\.import/ });
    using opened = await ClassHead.open(path);
    t.equal(opened.classSet, null);
  }
});

t.test('a head in another precision is taken as float32', async (t) => {
  const path = join(t.testdir(), 'head.safetensors');
  const tensors = {
    'class_embed.weight': Tensor.from(new Float64Array([0.1, 0.2]), [1, 2]).handle,
    'class_embed.bias': Tensor.from(new Float64Array([0.3]), [1]).handle,
  };
  await engine().writeSafetensors(path, tensors, {});
  using head = await ClassHead.import(path);
  t.same([...(await head.state()).weight], [Math.fround(0.1), Math.fround(0.2)]);
});

const released = 'golden/seg-swiglu/head.pth';
t.test('a released head file gives its 151 outputs', { skip: skipWithout(released) }, async (t) => {
  using head = await ClassHead.import(join(shared, released));
  t.match(head, { classes: 151, hidden: 64 });
});

t.test('files without one fitting pair are refused', async (t) => {
  const folder = t.testdir();
  const matrix: [Float32Array, number[]] = [new Float32Array(6), [3, 2]];
  const row: [Float32Array, number[]] = [new Float32Array(3), [3]];
  const cases: [Record<string, [Float32Array, number[]]>, string, RegExp][] = [
    [{ 'decoder.weight': matrix }, 'CHECKPOINT_KEYS', /none of its 1 tensors/],
    [{ 'class_embed.0.weight': matrix, 'class_embed.0.bias': row }, 'CHECKPOINT_KEYS', /exactly one tensor/],
    [
      { 'a.class_embed.weight': matrix, 'b.class_embed.weight': matrix },
      'CHECKPOINT_KEYS',
      /it contains a\..*, b\./,
    ],
    [{ 'class_embed.weight': matrix }, 'CHECKPOINT_KEYS', /not the matching class_embed\.bias/],
    [{ 'class_embed.weight': row, 'class_embed.bias': row }, 'HEAD_MISMATCH', /they are 3 and 3/],
    [
      { 'class_embed.weight': matrix, 'class_embed.bias': [new Float32Array(2), [2]] },
      'HEAD_MISMATCH',
      /3×2 and 2/,
    ],
  ];
  for (const [i, [tensors, code, message]] of cases.entries()) {
    const path = join(folder, `${i}.safetensors`);
    await writeForeign(path, tensors);
    await t.rejects(ClassHead.import(path), { code, message }, Object.keys(tensors).join(', '));
  }
  await t.rejects(ClassHead.load(join(folder, 'absent')), { code: 'FILE_NOT_FOUND' });
});

t.test('a state of another size is refused', async (t) => {
  using head = ClassHead.create({ hidden: 4, classes: 3 });
  using other = ClassHead.create({ hidden: 5, classes: 3 });
  await t.rejects(head.restore(await other.state()), { code: 'SHAPE' });
});

t.test('an unknown device is refused', async (t) => {
  for (const device of ['gpu', 'cuda:77', 'cpu:x'])
    t.throws(() => ClassHead.create({ hidden: 4, classes: 3, device }), { code: 'DEVICE' }, device);
});

t.test('a disposed head refuses everything', async (t) => {
  const head = ClassHead.create({ hidden: 4, classes: 3 });
  head.dispose();
  head.dispose();
  await t.rejects(head.state(), { code: 'DISPOSED', message: /class head was used after dispose/ });
  await t.rejects(head.step(), { code: 'DISPOSED' });
});

t.test('a full disk leaves the file that was there', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'head.safetensors');
  using head = ClassHead.create({ hidden: 8, classes: 3, seed: 1 });
  await head.save(path);
  const before = readFileSync(path);
  const library = new URL('../../dist/model/class-head.js', import.meta.url).href;
  const program = `
    const { ClassHead } = await import(${JSON.stringify(library)});
    const head = ClassHead.create({ hidden: 2048, classes: 151 });
    await head.save(${JSON.stringify(path)}).catch((error) => console.log(error.code, error.message));
  `;
  // A file size limit of 64 blocks (32 or 64 KiB) stands for a disk that is full.
  const limited = `trap '' XFSZ; ulimit -f 64; exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = await startProgram('bash', ['-c', limited, process.execPath, program]).ended;
  t.match(stdout, /^DISK_FULL .*head\.safetensors/, stderr);
  t.same(readFileSync(path), before);
  t.same(readdirSync(folder), ['head.safetensors'], 'nothing else is left');
  t.ok(existsSync(path));
});
