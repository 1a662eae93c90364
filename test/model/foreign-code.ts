/** Network files of strangers: what their code, their pickles and their archives may not do. */
import { existsSync, statSync } from 'node:fs';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { entry, runCommand } from '../helpers/command-line.js';
import { skipWithoutCompiler, startOnFaultyDisk } from '../helpers/faulty-disk.js';
import { writeForeign, type ForeignNetwork } from '../helpers/foreign-network.js';
import { SavedObject } from '../helpers/torch-save.js';
import { zipOf, type ZipEntry } from '../helpers/zip.js';

const root = t.testdir();
const skip = skipWithoutCompiler();
const written = join(root, 'written.bin');
const fromFile = `torch.from_file("${written}", True, 4)`;
let files = 0;
const write = (network: ForeignNetwork) => writeForeign(join(root, `network-${files++}.pt`), network);

t.test('a network of plain operators loads and runs', async (t) => {
  using model = await SegmentationModel.load(await write({}));
  using images = Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
  const { queries, masks } = await model.decode(images);
  t.same(
    [queries.shape, masks.shape],
    [
      [1, 5, 8],
      [1, 5, 8, 8],
    ],
  );
});

const setState = [
  'path : str',
  'def __getstate__(self: __torch__.Net) -> Tuple[str, __torch__.Head, bool]:',
  '  return (self.path, self.class_embed, self.training)',
  'def __setstate__(self: __torch__.Net, state: Dict[str, str]) -> NoneType:',
  `  x = ${fromFile}`,
  '  return None',
];
const code: Record<string, [network: ForeignNetwork, message: RegExp]> = {
  'in __setstate__': [{ members: setState, fields: { path: '' } }, /operator aten::from_file/],
  'in a method': [{ decode: [`x = ${fromFile}`] }, /operator aten::from_file/],
  'as a default argument': [
    { members: [`def f(self: __torch__.Net, x: Tensor=${fromFile}) -> Tensor:`, '  return x'] },
    /default argument that is computed|aten::from_file/,
  ],
  'as a constant of a class': [
    { members: [`x : Final[Tensor] = ${fromFile}`] },
    /class constant|aten::from_file/,
  ],
  'by another name of the operator': [{ decode: ['f = torch.from_file'] }, /aten::from_file/],
  'by another name of all operators': [{ decode: ['f = torch'] }, /uses torch as a value/],
  'by getattr()': [{ decode: [`f = getattr(torch, "from_file")`] }, /uses torch as a value/],
  'by a name that is computed': [{ decode: ['x = getattr(self, torch.add("a", "b"))'] }, /getattr\(\)/],
  'as a method of a value that has a name': [
    { decode: [`f = images.save`, `f("${written}")`] },
    /calls f\(\)/,
  ],
  'as a method of a value that has the name of a function': [
    {
      decode: ['f = __torch__.g', `f = images.save`, `f("${written}")`],
      code: ['def g(x: str) -> NoneType:', '  return None'],
    },
    /calls f\(\)/,
  ],
  'as a method of a value': [{ decode: [`(images).save("${written}")`] }, /aten::save/],
  'as a method that the file has too': [
    {
      decode: [`(images).save("${written}")`],
      members: ['def save(self: __torch__.Net, x: str) -> NoneType:', '  return None'],
    },
    /aten::save/,
  ],
  'by torch.save': [{ decode: [`torch.save(images, "${written}")`] }, /aten::save/],
  'by an operator of another library': [{ decode: ['ops.dinov3_seg.check_cancelled()'] }, /dinov3_seg::/],
  'by print()': [{ decode: ['print(images)'] }, /calls print\(\)/],
  'by a class of C++': [{ members: ['x : __torch__.torch.classes.c10d.ProcessGroup'] }, /class .*c10d/],
  'in a function that runs elsewhere': [
    { decode: ['f = fork(self.forward, images)'] },
    /calls fork|uses fork/,
  ],
  'in a loop that the compiler unrolls': [
    { decode: ['for i in (1, 2, 3):', '  queries = torch.add(queries, i)'] },
    /loop over something else/,
  ],
  'too deeply nested': [{ decode: [`x = ${'('.repeat(5000)}1${')'.repeat(5000)}`] }, /nested too deeply/],
  'in a chain of operators without end': [{ decode: [`x = 1${'+1'.repeat(50000)}`] }, /nested too deeply/],
  'in a chain of classes': [
    {
      decode: ['x = __torch__.f0(1)'],
      code: Array.from({ length: 2000 }, (_, i) => [
        `def f${i}(x: int) -> int:`,
        `  return ${i < 1999 ? `__torch__.f${i + 1}(x)` : 'x'}`,
      ]).flat(),
    },
    /in a chain of more than 300/,
  ],
};

for (const [where, [network, message]] of Object.entries(code))
  t.test(`code is refused before any of it runs: ${where}`, async (t) => {
    const path = await write(network);
    await t.rejects(SegmentationModel.load(path), { code: 'MODEL_CODE', message });
    await t.rejects(SegmentationModel.load(path), { message: /__torch__\.py.*--trust-code|do not use/ });
    t.notOk(existsSync(written));
  });

const image = join(root, 'image.bmp');
await writeFile(
  image,
  Buffer.from('Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAA////AA==', 'base64'),
);
const predictWith = (model: string) => {
  const files = ['--model', model, '--output', join(root, 'out')];
  return ['predict', ...files, '--image-size', '32', '--device', 'cpu', image];
};

t.test('predict refuses such a file, and runs it with --trust-code', async (t) => {
  // A result that nobody uses would be left out.
  const model = await write({
    decode: [`queries = torch.add(queries, torch.sum(${fromFile}))`],
    classes: 151,
  });
  const args = predictWith(model);
  const refused = await runCommand(args);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /aten::from_file.*--trust-code/s);
  t.notOk(existsSync(written));
  const trusted = await runCommand([...args, '--trust-code']);
  t.ok(existsSync(written), trusted.stderr);
});

t.test('trustCode lets the code run', async (t) => {
  using model = await SegmentationModel.load(await write({ decode: ['x = torch.manual_seed(1)'] }), {
    trustCode: true,
  });
  t.equal(model.hidden, 8);
});

const calls = (depth: number) =>
  Array.from({ length: depth }, (_, i) => [
    `def f${i}(x: Tensor) -> Tensor:`,
    i < depth - 1
      ? `  return torch.add(__torch__.f${i + 1}(x), __torch__.f${i + 1}(x))`
      : '  return torch.add(x, x)',
  ]).flat();
const nested = (depth: number) => {
  let value: Record<string, unknown> = {};
  for (let i = 0; i < depth; ++i) value = { a: value };
  return value as never;
};
const embed = (fields: object) => ({ fields: { class_embed: new SavedObject('Head', fields as never) } });
const weight = { shape: [3, 8], data: new Float32Array(24) };

const damaged: Record<string, [network: ForeignNetwork, message: RegExp]> = {
  'calls that double with each level': [
    { decode: ['x = __torch__.f0(images)'], code: calls(40) },
    /more than 10000000 operators/,
  ],
  'values nested without end': [
    { members: ['x : Dict[str, int]'], fields: { x: nested(2000) } },
    /nested in each other/,
  ],
  'a number where a tensor is declared': [
    embed({ training: false, weight, bias: 3 }),
    /the field bias .* Int/,
  ],
  'an object of another class': [
    {
      fields: { class_embed: new SavedObject('Small', { training: false }) },
      code: ['class Small(Module):', '  training : bool'],
    },
    /the field class_embed/,
  ],
  'a tensor larger than its record': [
    embed({ training: false, weight: { shape: [3, 1 << 20], data: new Float32Array(24) }, bias: weight }),
    /reaches past its storage/,
  ],
  'a class_embed that is no linear layer': [
    embed({ training: false, weight, bias: weight }),
    /no linear layer/,
  ],
  'two names that differ in case alone': [
    {
      change: (entries) => [
        ...entries,
        { name: 'archive/CODE/__torch__.py', data: 'class Net(Module):\n  training : bool\n' },
      ],
    },
    /two places|upper and lower case/,
  ],
  'an entry outside the folder': [
    { change: (entries) => [...entries, { name: 'other/code/__torch__.py', data: '' }] },
    /./,
  ],
  'code that does not parse': [{ decode: ['x = ='] }, /does not parse/],
  'a network of before PyTorch 1.2': [
    { change: (entries) => [...entries, { name: 'archive/model.json', data: '{}' }] },
    /before 1\.2/,
  ],
};
for (const [what, [network, message]] of Object.entries(damaged))
  t.test(`refused: ${what}`, async (t) => {
    await t.rejects(SegmentationModel.load(await write(network)), { code: 'MODEL_FORMAT', message });
  });

t.test('a second table of contents in the comment of the archive is refused', async (t) => {
  const path = await write({});
  const honest = await readFile(path);
  const other = zipOf([{ name: 'archive/code/__torch__.py', data: `x = ${fromFile}` }]);
  const fake = Buffer.from(other.subarray(-22));
  const comment = Buffer.concat([fake, Buffer.from('more')]);
  const both = Buffer.concat([honest, comment]);
  both.writeUInt16LE(comment.length, honest.length - 2);
  await writeFile(path, both);
  await t.rejects(SegmentationModel.load(path), { code: 'MODEL_FORMAT' });
});

t.test(
  'each damaged byte of the pickle ends in an error of this package, and not in an allocation',
  async (t) => {
    let count = 0;
    const codes = new Set<string>();
    for (let at = 0; ; ++at) {
      let end = false;
      const path = await write({
        change: (entries) =>
          entries.map((entry) => {
            if (!entry.name.endsWith('/data.pkl')) return entry;
            const data = Buffer.from(entry.data as Uint8Array);
            end = at >= data.length;
            if (!end) data[at] = data[at]! ^ 0xff;
            return { ...entry, data };
          }),
      });
      if (end) break;
      ++count;
      await SegmentationModel.load(path).then(
        (model) => model.dispose(),
        (error: { code: string; message: string }) =>
          codes.add(error.code === 'MODEL_FORMAT' ? error.code : `${error.code}: ${error.message}`),
      );
    }
    t.ok(count > 100);
    codes.delete('MODEL_FORMAT');
    t.same([...codes], []);
  },
);

t.test(
  'what was checked is what is loaded, at whatever moment the file is overwritten',
  { skip },
  async (t) => {
    const [path, honest, other] = [join(root, 'loaded.pt'), join(root, 'honest.pt'), join(root, 'other.pt')];
    // The same places in the file: only the code differs.
    const statement = `queries = torch.add(queries, torch.sum(${fromFile}))`;
    const padding = ' '.repeat(statement.length - 'queries = queries'.length);
    const change = (entries: ZipEntry[]) => entries.map((each) => ({ ...each, stored: true }));
    await writeForeign(other, { decode: [statement], classes: 151, change });
    await writeForeign(honest, { decode: [`queries = queries${padding}`], classes: 151, change });
    t.equal(statSync(other).size, statSync(honest).size);
    const log = join(root, 'disk.log');
    await rm(written, { force: true });
    let overwritten = 0;
    for (let n = 1; ; ++n) {
      await copyFile(honest, path);
      await rm(log, { force: true });
      const fault = `read|${path}|${n}|put|${other}|${path}`;
      const { code, stderr } = await startOnFaultyDisk(entry, predictWith(path), { fault, log }).ended;
      if (code !== 0) t.match(stderr, /MODEL_CODE|MODEL_FORMAT|IO/, `after read ${n}`);
      t.notOk(existsSync(written), `after read ${n}`);
      if (!(await readFile(log, 'utf8').catch(() => '')).includes('fault')) break;
      ++overwritten;
    }
    t.ok(overwritten > 5, `overwritten after each of ${overwritten} reads`);
  },
);
