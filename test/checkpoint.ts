import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { engine } from '../lib/native/engine.js';
import type { TensorHandle } from '../lib/native/bindings/engine.js';

interface Readable {
  format: string;
  metadata: Record<string, string>;
  /** Values that JSON cannot hold exactly are strings. */
  tensors: { name: string; shape: number[]; dtype: string; values: (number | boolean | string)[] }[];
}
interface Refused {
  code: string;
  words: string[];
}

const folder = join(import.meta.dirname, 'fixtures/checkpoints');
const fixture = (name: string): string => join(folder, name);
const expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Record<
  string,
  Readable | Refused
>;
const readable = Object.entries(expected).filter(
  (entry): entry is [string, Readable] => 'tensors' in entry[1],
);
const refused = Object.entries(expected).filter((entry): entry is [string, Refused] => 'code' in entry[1]);
const e = engine();

const numbers = (values: Iterable<number | bigint | boolean | string>): number[] =>
  Array.from(values, Number);
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'read',
    (error: { code?: string }) => error.code ?? `no code: ${String(error)}`,
  );

/** Asserts that `work` is rejected with this code and with every one of the words in its message. */
async function rejectsWith(t: Test, work: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error as Error & { code: string },
  );
  t.equal(error?.code, code, error?.message ?? 'it was not refused');
  for (const word of words) t.match(error?.message, word);
}

const elementBytes: Record<string, number> = {
  float64: 8,
  int64: 8,
  float32: 4,
  int32: 4,
  int8: 1,
  uint8: 1,
  bool: 1,
};

for (const [file, content] of readable) {
  t.test(`${file} is listed and read as PyTorch reads it`, async (t) => {
    const listed = await e.inspect(fixture(file));
    const rows = content.tensors.map(({ name, shape, dtype }) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return { name, shape, dtype, sizeBytes: count * (elementBytes[dtype] ?? 2) };
    });
    t.strictSame(listed.tensors, rows);
    t.equal(listed.format, content.format);
    t.strictSame(listed.metadata, content.metadata);
    t.equal(
      listed.parameters,
      rows.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    );
    t.equal(
      listed.totalBytes,
      rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    );

    const { tensors, metadata } = await e.readTensors(fixture(file));
    t.strictSame(metadata, content.metadata);
    t.same(
      Object.keys(tensors),
      content.tensors.map(({ name }) => name),
    );
    for (const { name, shape, dtype, values } of content.tensors) {
      const read = await e.tensorData(tensors[name]!);
      t.same(read.shape, shape, `${name}: shape`);
      t.equal(read.dtype, dtype, `${name}: dtype`);
      if (dtype === 'int64') t.same(Array.from(read.data, String), values.map(String), `${name}: values`);
      else t.same(numbers(read.data), numbers(values), `${name}: values`);
    }
  });
}

for (const [file, { code, words }] of refused) {
  t.test(`${file} is refused with ${code}`, async (t) => {
    await rejectsWith(t, e.inspect(fixture(file)), code, file, ...words);
    await rejectsWith(t, e.readTensors(fixture(file)), code, file, ...words);
  });
}

t.test('a checkpoint cut off anywhere is refused, mostly as truncated', async (t) => {
  for (const name of ['plain.pth', 'training.pth', 'scripted.pt', 'dtypes.safetensors']) {
    const whole = await readFile(fixture(name));
    const cut = join(t.testdir(), name);
    for (let size = 0; size < whole.length; size += size < 64 ? 1 : 29) {
      await writeFile(cut, whole.subarray(0, size));
      const code = await codeOf(e.inspect(cut));
      if (code !== 'CHECKPOINT_TRUNCATED') t.fail(`${name} cut to ${size} bytes: ${code}`);
    }
    await writeFile(cut, whole.subarray(0, whole.length - 1));
    await rejectsWith(t, e.inspect(cut), 'CHECKPOINT_TRUNCATED', name, 'download');
  }
});

t.test('a damaged table of tensors is noticed', async (t) => {
  const bytes = await readFile(fixture('plain.pth'));
  const damaged = join(t.testdir(), 'damaged.pth');
  bytes.write('N', bytes.indexOf('norm.bias'));
  await writeFile(damaged, bytes);
  await rejectsWith(t, e.inspect(damaged), 'CHECKPOINT_FORMAT', 'data.pkl', 'CRC-32');
});

t.test('a message shows the name of an entry in text, whatever its bytes', async (t) => {
  const [plain, bytes] = [readFileSync(fixture('plain.pth')), Buffer.from('\x1b\xff\x00', 'latin1')];
  const name = plain.lastIndexOf('data.pkl');
  bytes.copy(plain, name);
  const path = join(t.testdir(), 'named.pth');
  await writeFile(path, plain);
  await t.rejects(e.inspect(path), {
    code: 'CHECKPOINT_FORMAT',
    message: /entry '[\w-]+\/\\u001B\\xFF\\u0000a\.pkl' has another name in its own header/,
  });
});

t.test('what is no file at all is refused', async (t) => {
  const dir = t.testdir({
    empty: '',
    pointer: 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n',
  });
  await rejectsWith(t, e.inspect(join(dir, 'absent.pth')), 'FILE_NOT_FOUND', 'absent.pth', 'No such file');
  await rejectsWith(t, e.inspect(dir), 'IO', dir, 'folder');
  await rejectsWith(t, e.inspect(join(dir, 'empty')), 'CHECKPOINT_TRUNCATED', '0 bytes');
  await rejectsWith(t, e.inspect(join(dir, 'pointer')), 'CHECKPOINT_FORMAT', 'Git LFS');
});

t.test('chosen tensors are read by name', async (t) => {
  const { tensors } = await e.readTensors(fixture('plain.pth'), ['norm.bias', 'a.weight']);
  t.same(Object.keys(tensors).sort(), ['a.weight', 'norm.bias']);
  await rejectsWith(t, e.readTensors(fixture('plain.pth'), ['b.weight']), 'CHECKPOINT_KEYS', 'b.weight');
});

t.test('tensors outlive the file that they were read from', async (t) => {
  const dir = t.testdir();
  await writeFile(join(dir, 'copy.pth'), await readFile(fixture('views.pth')));
  const { tensors } = await e.readTensors(join(dir, 'copy.pth'));
  await e.writeSafetensors(join(dir, 'copy.pth'), { other: e.tensor(new Float32Array(9), [9]) }, {});
  const { data } = await e.tensorData(tensors['steps']!);
  t.same(Array.from(data as Float32Array), [1, 6, 11, 16, 21]);
});

t.test('a written .safetensors file gives back tensors, order and metadata', async (t) => {
  const path = join(t.testdir(), 'out.safetensors');
  for (const source of ['views.pth', 'dtypes.pth', 'scripted.pt']) {
    const { tensors } = await e.readTensors(fixture(source));
    const metadata = { epoch: '3', note: 'naïve "quoted" \\ \n\u0001 🌻', empty: '' };
    await e.writeSafetensors(path, tensors, metadata);
    const again = await e.readTensors(path);
    t.strictSame(again.metadata, metadata);
    t.same(Object.keys(again.tensors), Object.keys(tensors), `${source}: order`);
    for (const [name, tensor] of Object.entries(tensors))
      t.strictSame(
        await e.tensorData(again.tensors[name]!),
        await e.tensorData(tensor),
        `${source}: ${name}`,
      );
    const headerSize = Number((await readFile(path)).readBigUInt64LE());
    t.equal(headerSize % 8, 0, 'the header is padded to 8 bytes');
    t.equal((await stat(path)).size, 8 + headerSize + (await e.inspect(path)).totalBytes);
  }
  await e.writeSafetensors(path, {}, {});
  t.strictSame((await e.inspect(path)).tensors, []);
});

t.test('writing replaces a file as a whole and leaves nothing else', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'head.safetensors');
  const head = { weight: e.tensor(new Float32Array([1, 2, 3]), [3]) };
  await e.writeSafetensors(path, head, { epoch: '1' });
  await symlink('head.safetensors', join(dir, 'link'));
  await e.writeSafetensors(join(dir, 'link'), head, { epoch: '2' });
  t.same((await e.inspect(path)).metadata, { epoch: '2' }, 'a symbolic link is followed');
  t.same((await readdir(dir)).sort(), ['head.safetensors', 'link']);

  await mkdir(join(dir, 'folder'));
  await rejectsWith(t, e.writeSafetensors(join(dir, 'folder'), head, {}), 'IO', 'folder');
  await rejectsWith(
    t,
    e.writeSafetensors(join(dir, 'no/such', 'x'), head, {}),
    'FILE_NOT_FOUND',
    'does not exist',
  );
  await rejectsWith(t, e.writeSafetensors('/dev/null', head, {}), 'IO', 'regular file');
  await rejectsWith(
    t,
    e.writeSafetensors(path, { __metadata__: head.weight }, {}),
    'INVALID_ARGUMENT',
    '__metadata__',
  );
  t.same((await e.inspect(path)).metadata, { epoch: '2' });
  t.same((await readdir(dir)).sort(), ['folder', 'head.safetensors', 'link']);
});

t.test('a full disk leaves the old file and no other, and the process alive', async (t) => {
  // A file size limit stands for the full disk: the same path through the code, and the limit's signal on top.
  const dir = t.testdir();
  const path = join(dir, 'head.safetensors');
  await e.writeSafetensors(path, { weight: e.tensor(new Float32Array(4), [4]) }, { epoch: '1' });
  const script = `
    import { engine } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../dist/native/engine.js')).href)};
    const e = await engine();
    const weight = e.tensor(new Float32Array(100_000), [100_000]);
    const error = await e.writeSafetensors(${JSON.stringify(path)}, { weight }, {}).catch((error) => error);
    console.log(JSON.stringify({ code: error?.code, message: error?.message }));`;
  const { NODE_V8_COVERAGE: _coverage, NODE_OPTIONS: _options, ...env } = process.env;
  const child = spawnSync(
    'sh',
    ['-c', 'ulimit -f 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script],
    { env, encoding: 'utf8' },
  );
  t.equal(child.status, 0, child.stderr);
  const error = JSON.parse(child.stdout) as { code: string; message: string };
  t.equal(error.code, 'DISK_FULL');
  for (const word of [path, '400080 bytes', 'Nothing was written']) t.match(error.message, word);
  t.same(await readdir(dir), [basename(path)]);
  t.same((await e.inspect(path)).metadata, { epoch: '1' });
});

/** A .safetensors file of this header, and of so many bytes of data. */
function safetensors(header: string, dataBytes: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([size, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

t.test('a .safetensors header that does not fit its data is refused', async (t) => {
  const entry = (begin: number, end: number, shape = '[2]', dtype = 'F32'): string =>
    `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
  const cases: [title: string, header: string, dataBytes: number, code: string][] = [
    ['data that end early', `{"a":${entry(0, 8)}}`, 7, 'CHECKPOINT_TRUNCATED'],
    ['bytes after the data', `{"a":${entry(0, 8)}}`, 9, 'CHECKPOINT_FORMAT'],
    ['an overlap', `{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12, 'CHECKPOINT_FORMAT'],
    ['a hole', `{"a":${entry(0, 8)},"b":${entry(12, 20)}}`, 20, 'CHECKPOINT_FORMAT'],
    ['an end before the beginning', `{"a":${entry(8, 0)}}`, 8, 'CHECKPOINT_FORMAT'],
    ['a shape that needs more bytes', `{"a":${entry(0, 8, '[3]')}}`, 8, 'CHECKPOINT_FORMAT'],
    [
      'a shape beyond all numbers',
      `{"a":${entry(0, 0, '[4611686018427387904,4,0]')}}`,
      0,
      'CHECKPOINT_FORMAT',
    ],
    ['a number beyond 64 bits', `{"a":${entry(0, 8, '[99999999999999999999]')}}`, 8, 'CHECKPOINT_FORMAT'],
    ['a negative size', `{"a":${entry(0, 8, '[-2]')}}`, 8, 'CHECKPOINT_FORMAT'],
    ['an unknown dtype', `{"a":${entry(0, 8, '[8]', 'F8_E4M3')}}`, 8, 'CHECKPOINT_FORMAT'],
    ['a name that occurs twice', `{"a":${entry(0, 8)},"a":${entry(8, 16)}}`, 16, 'CHECKPOINT_FORMAT'],
    ['an unexpected key', `{"a":{"dtype":"F32","shape":[2],"offset":0}}`, 8, 'CHECKPOINT_FORMAT'],
    ['metadata that are not strings', `{"__metadata__":{"epoch":1}}`, 0, 'CHECKPOINT_FORMAT'],
    ['a missing brace', `{"a":${entry(0, 8)}`, 8, 'CHECKPOINT_FORMAT'],
  ];
  for (const [title, header, dataBytes, code] of cases) {
    const path = join(t.testdir(), 'bad.safetensors');
    await writeFile(path, safetensors(header, dataBytes));
    t.equal(await codeOf(e.inspect(path)), code, title);
  }
});

t.test('spaces, escapes, any order and unaligned data are read', async (t) => {
  const path = join(t.testdir(), 'odd.safetensors');
  const header = `{ "z\\u00e9\\ud83c\\udf3b" : {"data_offsets":[3,11],"shape":[2],"dtype":"F32"},
    "first":{"dtype":"U8","shape":[3],"data_offsets":[0,3]} }  `;
  const bytes = safetensors(header, 11);
  bytes.writeFloatLE(1.5, bytes.length - 8);
  bytes.writeFloatLE(-2, bytes.length - 4);
  await writeFile(path, bytes);
  const { tensors } = await e.readTensors(path);
  const data = async (tensor: TensorHandle): Promise<number[]> => numbers((await e.tensorData(tensor)).data);
  t.same(await data(tensors['zé🌻']!), [1.5, -2]);
  t.same(await data(tensors['first']!), [0, 0, 0]);
});
