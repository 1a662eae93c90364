/** Network files of strangers: what their archives and pickles may not be. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { writeForeign, type ForeignNetwork } from '../helpers/foreign-network.js';
import { SavedObject } from '../helpers/torch-save.js';
import { zipOf, type ZipEntry } from '../helpers/zip.js';

const root = t.testdir();
const fromFile = `torch.from_file("${join(root, 'written.bin')}", True, 4)`;
let files = 0;
const write = (network: ForeignNetwork) => writeForeign(join(root, `network-${files++}.pt`), network);

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
/** Changes data.pkl, a character for each byte. */
const changePickle = (change: (data: string) => string) => (entries: ZipEntry[]) =>
  entries.map((entry) =>
    entry.name === 'archive/data.pkl'
      ? {
          ...entry,
          data: Buffer.from(change(Buffer.from(entry.data as Buffer).toString('latin1')), 'latin1'),
        }
      : entry,
  );
const embed = (fields: object, change = (data: string) => data) => ({
  fields: { class_embed: new SavedObject('Head', fields as never) },
  change: changePickle(change),
});
const text = (value: string) => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(value.length);
  return `X${size.toString('latin1')}${value}`;
};
/** An empty dict that is to be of a type. */
const tagged = (type: string) => `ctorch.jit._pickle\nrestore_type_tag\n(}${text(type)}tR`;
/** A network with a field more, whose value is a pickle's part. */
const inNet = (member: string, value: string): ForeignNetwork => ({
  members: [member],
  change: changePickle((data) => `${data.slice(0, -3)}${text(member.split(' ')[0]!)}${value}ub.`),
});
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
  ...Object.fromEntries(
    ['data', 'constants'].map((name): [string, [ForeignNetwork, RegExp]] => [
      `${name}.pkl in capital letters, which libtorch finds all the same`,
      [
        {
          decode: [`x = ${fromFile}`],
          change: (entries) =>
            entries.map((entry) =>
              entry.name === `archive/${name}.pkl` ? { ...entry, name: `archive/${name}.PKL` } : entry,
            ),
        },
        /capital letters/,
      ],
    ]),
  ),
  'a storage of a class that has the name of one of libtorch': [
    embed({ training: false, weight, bias: weight }, (data) =>
      data.replace('ctorch\nFloatStorage', 'c__torch__\nFloatStorage'),
    ),
    /which is not supported/,
  ],
  'a type of a container without end': [
    inNet('x : Dict[str, int]', tagged(`${'List['.repeat(100_000)}int${']'.repeat(100_000)}`)),
    /type of a container is no type/,
  ],
  'a class whose name is an expression without end': [
    embed({ training: false, weight, bias: weight }, (data) =>
      data.replace('c__torch__\nHead\n', `c__torch__\n${'('.repeat(100_000)}\n`),
    ),
    /is damaged/,
  ],
  'an entry outside the folder': [
    { change: (entries) => [...entries, { name: 'other/code/__torch__.py', data: '' }] },
    /./,
  ],
  'code that does not parse': [{ decode: ['x = ='] }, /does not parse/],
  'an import without end': [{ code: ['import ('] }, /does not parse/],
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
