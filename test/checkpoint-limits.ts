/** Checkpoints from anywhere: how much memory they may take, what their names may do to a message, what is no file. */
import { execFileSync } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { convert, inspect } from '../lib/model/convert.js';
import { SegmentationModel } from '../lib/model/segmentation-model.js';
import { engine } from '../lib/native/engine.js';
import { runCommand, runScript } from './helpers/command-line.js';
import { hostileHeaders, hostilePickles, pickle, safetensorsFile } from './helpers/hostile-checkpoints.js';
import { torchSave } from './helpers/torch-save.js';

const fileBytes = [1_000_000, 8_000_000];
/** What a file may take, in times its size, and of any size. */
const times = 20;
const constantBytes = 16 * 1024 ** 2;

/** What a refusal says; the other files are read. */
const refusals: Record<string, RegExp> = {
  'one long string as the key of every tensor': /same long key occurs over and over/,
  'one long string as the metadata of every key': /the same names, values or tensors occur over and over/,
  'one long string as the name of every class': /archive that does not contain a module/,
  'long names of nested modules': /same long key occurs over and over/,
  'short names of nested modules': /the same names, values or tensors occur over and over/,
  'a state dict within 95 others': /the same names, values or tensors occur over and over/,
  'empty containers beside a state dict within 95 others':
    /bytes make values that take more than \d+ MiB of memory/,
  'one tensor under every key': /the same names, values or tensors occur over and over/,
  'one tensor of 64 dimensions under every key': /the same names, values or tensors occur over and over/,
  'tensors of 64 dimensions': /bytes make values that take more than \d+ MiB of memory/,
  'a million empty lists': /bytes make values that take more than \d+ MiB of memory/,
  'a million entries of the memo': /contains no tensors/,
  'an entry far up in the memo': /stores a value under the number 2147483647/,
  'a long name of data, asked for again and again': /refers to data in a way that torch\.save does not/,
  'a header of metadata': /more than 10000 entries of metadata/,
};

t.test('what a file takes is in proportion to its size', { timeout: 600_000 }, async (t) => {
  const folder = t.testdir();
  const small = join(folder, 'small.pth');
  await torchSave(small, { w: { shape: [2], data: [1, 2] } });
  const script = join(import.meta.dirname, 'helpers/hostile-memory.mjs');
  const made = Object.entries({ ...hostilePickles, ...hostileHeaders }).flatMap(([name, make]) =>
    fileBytes.map((size) => [`${name}, ${size} bytes`, refusals[name], () => make(size)] as const),
  );
  for (const [name, refusal, make] of made) {
    const file = join(folder, 'hostile.pth');
    const bytes = make();
    await writeFile(file, bytes);
    const result = JSON.parse(await runScript(script, file, small)) as {
      code: string;
      message: string;
      grown: number;
    };
    const { code, message, grown } = result;
    const allowed = times * bytes.length + constantBytes;
    t.ok(grown < allowed, `${name}: ${grown} bytes of ${allowed}`);
    t.equal(code, refusal ? 'CHECKPOINT_FORMAT' : 'read', `${name}: ${message}`);
    if (refusal) t.match(message, refusal, name);
  }
});

t.test('a long list of numbers and strings beside the tensors is read', async (t) => {
  const file = join(t.testdir(), 'state.pth');
  const p = pickle().tensorParts([2]).add('}(').text('w').tensor().text('seen').add('](');
  for (let i = 0; i < 200_000; i++) p.integer(i * 7);
  for (let i = 0; i < 50_000; i++) p.text(`image-${i}`);
  await writeFile(file, p.add('e').text('step').integer(9).add('u').archive());
  const { tensors, metadata } = await inspect(file);
  t.same(
    tensors.map(({ name }) => name),
    ['w'],
  );
  t.same(metadata, { step: '9' });
});

t.test('nested containers end at a depth, whatever else is in them', async (t) => {
  const file = join(t.testdir(), 'deep.pth');
  const deep = (levels: number) =>
    pickle()
      .tensorParts()
      .add('}(')
      .text('w')
      .tensor()
      .text('lists')
      .add(']'.repeat(levels), 'a'.repeat(levels - 1), 'u')
      .archive();
  await writeFile(file, deep(90));
  t.equal((await inspect(file)).tensors.length, 1);
  await writeFile(file, deep(2_000));
  await t.rejects(inspect(file), { code: 'CHECKPOINT_FORMAT', message: /nested more than 100 deep/ });
});

t.test('reading stops on request', async (t) => {
  const file = join(t.testdir(), 'long.pth');
  const p = pickle().tensorParts([2]).add('}(').text('w').tensor().text('list').add('](');
  await writeFile(file, p.add('N'.repeat(3_000_000), 'eu').archive());
  const controller = new AbortController();
  const reading = inspect(file, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(reading, { message: 'enough' });
});

t.test('a bool that is neither 0 nor 1 is refused, also beside an empty one', async (t) => {
  const file = join(t.testdir(), 'bool.pth');
  for (const [byte, code] of [
    [1, 'read'],
    [2, 'CHECKPOINT_FORMAT'],
  ] as const) {
    // The empty storage lies where the next one does.
    const p = pickle().add('}(').tensorParts([0], 'BoolStorage', '0', 0).text('none').tensor();
    p.tensorParts([2], 'BoolStorage', '1', 2).text('flags').tensor().add('u');
    await writeFile(file, p.archive({ storages: { 0: Buffer.alloc(0), 1: Buffer.from([byte, 0]) } }));
    const outcome = inspect(file).then(
      () => 'read',
      (error: { code: string }) => error.code,
    );
    t.equal(await outcome, code, `a byte of ${byte}`);
  }
});

/** Clears the screen, moves to the line above, ends the string of a title, reverses the text, is no UTF-8. */
const steering = '\x1b[2J\x9b1A\u009b2K\x07\x7f\r\n\u202e\u2066gnp.exe';

t.test('names of files cannot steer a terminal through a message', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'named.pth');
  // eslint-disable-next-line no-control-regex
  const unsafe = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]/;
  const refused = async (bytes: Buffer, what: RegExp) => {
    await writeFile(file, bytes);
    const error = await inspect(file).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    const message = (error?.message ?? 'read').replace(file, '');
    t.match(message, what);
    t.notMatch(message, unsafe, what.source);
    t.ok(message.length < 1500, `${what.source}: ${message.length} characters`);
  };
  const long = steering + 'x'.repeat(100_000);
  await refused(
    pickle().add('}(').text(long).text('v').add('u').archive(),
    /contains no tensors.*\\u001B\[2J\\u009B1A.*\\u202E/,
  );
  await refused(
    pickle()
      .add(`cos\n${steering.replaceAll('\n', '')}\n`)
      .archive(),
    /refers to the Python object os\.\\u001B.*\\x9B/,
  );
  await refused(
    safetensorsFile(JSON.stringify({ [long]: { dtype: steering, shape: [1], data_offsets: [0, 1] } }), 1),
    /\\u001B\[2J.*dtype \\u001B\[2J/,
  );
  const storages = { [`${steering.replaceAll('\n', '')}${'x'.repeat(300)}`]: Buffer.alloc(4) };
  const zip = pickle().add('}').archive({ storages });
  zip.writeUInt8(0x41, zip.indexOf('PK\x01\x02', zip.indexOf('PK\x01\x02') + 4) + 46);
  await refused(zip, /has another name in its own header/);
  await refused(
    Buffer.from('\x1b]0;owned\x07\xff\xfe-----', 'latin1'),
    /begins with '\\u001B\]0;owned\\u0007\\xFF\\xFE/,
  );
});

t.test('keys are listed escaped, and shortened in the table', async (t) => {
  const file = join(t.testdir(), 'keys.safetensors');
  const entry = { dtype: 'U8', shape: [0], data_offsets: [0, 0] };
  const header = {
    __metadata__: { [steering]: steering },
    [steering]: entry,
    ['k'.repeat(50_000)]: entry,
    a: entry,
  };
  await writeFile(file, safetensorsFile(JSON.stringify(header), 0));
  const { code, stdout } = await runCommand(['inspect', file]);
  t.equal(code, 0);
  // eslint-disable-next-line no-control-regex
  t.notMatch(stdout, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]/);
  t.ok(stdout.length < 5000, `${stdout.length} characters`);
  const listed = JSON.parse((await runCommand(['inspect', file, '--json'])).stdout) as {
    tensors: { name: string }[];
  };
  t.equal(listed.tensors[0]?.name, steering, 'as data they are as they are');
});

t.test('pipes and devices are refused at once', async (t) => {
  const folder = t.testdir();
  const at = (name: string) => join(folder, name);
  execFileSync('mkfifo', [at('pipe.pth')]);
  await symlink('/dev/zero', at('zero.pth'));
  await torchSave(at('head.pth'), { w: { shape: [2], data: [1, 2] } });
  for (const [name, kind] of [
    ['pipe.pth', /is not a regular file, but a pipe/],
    ['zero.pth', /is not a regular file, but a device/],
  ] as const) {
    const refusal = { code: 'IO', message: kind };
    await t.rejects(inspect(at(name)), refusal, `inspect ${name}`);
    await t.rejects(convert({ backbone: at(name), out: at('out.pt') }), refusal, `convert ${name}`);
    await t.rejects(
      convert({ backbone: at('head.pth'), head: at(name), out: at('out.pt') }),
      { message: /./ },
      `convert with a head ${name}`,
    );
    await t.rejects(SegmentationModel.load(at(name)), refusal, `load ${name}`);
    await t.rejects(engine().readTensors(at(name)), refusal, `read ${name}`);
  }
});
