/** Network files of strangers: what their code may not do. */
import { existsSync, statSync } from 'node:fs';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { entry, runCommand } from '../helpers/command-line.js';
import { skipWithoutCompiler, startOnFaultyDisk } from '../helpers/faulty-disk.js';
import { writeForeign, type ForeignNetwork } from '../helpers/foreign-network.js';
import { type ZipEntry } from '../helpers/zip.js';

const root = t.testdir();
const skip = skipWithoutCompiler();
const written = join(root, 'written.bin');
const fromFile = `torch.from_file("${written}", True, 4)`;
let files = 0;
const write = (network: ForeignNetwork) => writeForeign(join(root, `network-${files++}.pt`), network);

t.test('a network of plain operators loads and runs', async (t) => {
  // It makes its outputs on the CPU.
  using model = await SegmentationModel.load(await write({}), { device: 'cpu' });
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
/** A class with this __setstate__. */
const stateOf = (type: string, statements: string[]) => [
  `def __getstate__(self: __torch__.Net) -> ${type}:`,
  '  return uninitialized(int)',
  `def __setstate__(self: __torch__.Net, state: ${type}) -> NoneType:`,
  ...statements.map((statement) => `  ${statement}`),
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
  'as several constants of a class': [{ members: ['x = y = 1'] }, /several fields of a class/],
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
  'as a method of a value that has the name of a function of libtorch': [
    { decode: ['range = images.random_', 'x = range(0)'] },
    /calls range\(\)/,
  ],
  'by a class of C++ that getattr() finds': [
    { decode: ['x = getattr(getattr(__torch__.torch, "classes"), "c10d").ProcessGroup(1, 2)'] },
    /uses the class __torch__\.torch /,
  ],
  'more empty lines than the parser can skip': [
    { decode: [`x = (${'\n'.repeat(1_000_000)}1)`] },
    /empty lines or comments/,
  ],
  'more comments than the parser can skip': [
    { decode: [`x = (${' # \n'.repeat(1_000_000)}1)`] },
    /empty lines or comments/,
  ],
  'tuples in tuples, for which the compiler takes twice the time with each': [
    { decode: [`x = ${'('.repeat(30)}1${',)'.repeat(30)}`] },
    /more than 10 lists and tuples/,
  ],
  'tuples in tuples, one a statement': [
    { decode: ['x0 = (1,)', ...Array.from({ length: 30 }, (_, i) => `x${i + 1} = (x${i},)`)] },
    /more than 10 lists and tuples/,
  ],
  'types in types': [
    { members: [`x : ${'Tuple['.repeat(30)}int${']'.repeat(30)}`] },
    /more than 10 types in each other/,
  ],
  'a function whose type the compiler is to find out': [
    { code: ['def f(x: int):', '  return (x,)'] },
    /without a stated type/,
  ],
  'more returns than the compiler can sort out': [
    {
      code: [
        'def f(x: bool) -> int:',
        ...Array.from({ length: 3000 }, () => '  if x:\n    return 1'),
        '  return 2',
      ],
    },
    /more than 50 returns/,
  ],
  'an object of another object in __setstate__': [
    { members: stateOf('Tuple[str, __torch__.Head]', ['y = (state)[1]', 'x = y.weight']) },
    /own classes in __setstate__/,
  ],
  'tuples that nobody has checked, in __setstate__': [
    { members: stateOf('Tuple[str, List[Tuple[int, int]]]', ['a, b, = ((state)[1])[0]']) },
    /a list or a dict of Tuples in __setstate__/,
  ],
  'a cast in __setstate__': [
    { members: stateOf('Tuple[str, int]', ['a = unchecked_cast(Tuple[int, int], (state)[1])']) },
    /casts to another type/,
  ],
  'a constant in __setstate__': [
    { members: stateOf('Tuple[str, int]', ['a = CONSTANTS.c0']) },
    /a field of a value in __setstate__/,
  ],
  'an object with code of its own in __setstate__': [
    {
      members: stateOf('Tuple[str, int]', ['a = __torch__.Loop()']),
      code: ['class Loop:', '  def __init__(self: __torch__.Loop) -> NoneType:', '    return None'],
    },
    /calls __torch__\.Loop\(\) in __setstate__/,
  ],
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

const small = ['class Small:', '  a : int', '  def __init__(self: __torch__.Small) -> NoneType:'];
const compiled: Record<string, [network: ForeignNetwork, message: RegExp]> = {
  'an object that is taken for one of another class': [
    {
      decode: [
        'w = unchecked_cast(__torch__.Head, __torch__.Small())',
        'queries = torch.add(queries, w.bias)',
      ],
      code: [...small, '    self.a = 1', '    return None'],
    },
    /takes a value of type __torch__\.Small for a __torch__\.Head/,
  ],
  'a tuple that is taken for a longer one': [
    {
      decode: [
        't = unchecked_cast(Tuple[Tensor, Tensor], (images,))',
        'a, b, = t',
        'queries = torch.add(queries, torch.sum(b))',
      ],
    },
    /takes a value of type Tuple\[Tensor\] for a Tuple\[Tensor, Tensor\]/,
  ],
};
for (const [what, [network, message]] of Object.entries(compiled))
  t.test(`code is refused once it is compiled: ${what}`, async (t) => {
    await t.rejects(SegmentationModel.load(await write(network)), { code: 'MODEL_CODE', message });
  });

t.test('an Optional that is not None is taken for what it holds', async (t) => {
  using model = await SegmentationModel.load(
    await write({
      members: [
        'def f(self: __torch__.Net, head: Optional[__torch__.Head]) -> Tensor:',
        '  if torch.__is__(head, None):',
        '    x = self.class_embed.bias',
        '  else:',
        '    x = (unchecked_cast(__torch__.Head, head)).bias',
        '  return x',
      ],
      decode: ['queries = torch.add(queries, torch.sum((self).f(self.class_embed, )))'],
    }),
  );
  t.equal(model.hidden, 8);
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
