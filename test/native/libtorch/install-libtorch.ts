import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DinoSegError } from '../../../lib/errors.js';
import { installLibtorch, type InstallOptions } from '../../../lib/native/libtorch/install-libtorch.js';
import { findLibtorch } from '../../../lib/native/libtorch/find-libtorch.js';
import { startCommand, startProgram } from '../../helpers/command-line.js';
import { below, filesBelow, installed, setEnvironment, torchFiles } from '../../helpers/libtorch.js';
import { writeTree } from '../../helpers/temporary.js';
import { wheelOf, zipOf, type ZipEntry } from '../../helpers/zip.js';

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
const torchWheel = (change?: (entries: ZipEntry[]) => ZipEntry[]) =>
  wheelOf('torch', '2.13.0+cpu', below('torch', torchFiles()), { ...(change && { change }) });
const libtorchZip = (change = (entries: ZipEntry[]) => entries) => {
  const files = { ...below('libtorch', torchFiles()), 'libtorch/build-version': '2.13.0+cpu\n' };
  return zipOf(change(Object.entries(files).map(([name, data]) => ({ name, data }))));
};

/** A test's own cache, the files given, and what the cache holds. */
async function prepare(t: Test, files: Record<string, string | Uint8Array>) {
  const root = await writeTree(t, { 'home/.keep': '', ...files });
  const environment = {
    XDG_CACHE_HOME: join(root, 'home'),
    DINOV3_SEG_LIBTORCH: undefined,
    LIBTORCH: undefined,
  };
  setEnvironment(t, environment);
  const cache = join(root, 'home/dinov3-seg/libtorch');
  return { cache, at: (name: string) => join(root, name), held: () => filesBelow(cache) };
}

const whole = installed.map((name) => `2.13.0-cpu/${name}`);
const withBuildVersion = [...whole, '2.13.0-cpu/build-version'].sort();

async function refused(t: Test, options: InstallOptions, code: string, message: RegExp): Promise<void> {
  await t.rejects(installLibtorch(options), { name: 'DinoSegError', code, message });
}

t.test('a wheel: only libraries, headers and version are unpacked, and found', async (t) => {
  const { cache, at, held } = await prepare(t, { 'torch.whl': torchWheel() });
  const result = await installLibtorch({ from: at('torch.whl') });
  t.same(result, { root: join(cache, '2.13.0-cpu'), version: '2.13.0', build: 'cpu', alreadyThere: false });
  t.same(held(), whole);
  t.same(readFileSync(join(result.root, 'lib/libtorch_cpu.so')), torchFiles()['lib/libtorch_cpu.so']);
  t.match(findLibtorch(), {
    root: result.root,
    version: '2.13.0',
    build: 'cpu',
    cuda: false,
    source: 'cache',
  });
});

t.test('a zip, and folders of every kind', async (t) => {
  const files = { 'libtorch.zip': libtorchZip() };
  const { at, held, cache } = await prepare(t, { ...files, ...below('site/torch', torchFiles()) });
  for (const [from, expected] of [
    ['libtorch.zip', withBuildVersion],
    ['site/torch', whole],
    ['site', whole],
  ] as const) {
    const { root } = await installLibtorch({ from: at(from), force: true });
    t.same(held(), expected, from);
    t.same(readFileSync(join(root, 'lib/libtorch_cpu.so')), torchFiles()['lib/libtorch_cpu.so'], from);
  }
  // What was installed may be the source of the next.
  await installLibtorch({ from: join(cache, '2.13.0-cpu'), force: true });
  t.same(held(), whole);
  symlinkSync('.', at('site/torch/include/circle'));
  await refused(t, { from: at('site'), force: true }, 'LIBTORCH_UNSUPPORTED', /too deeply.*cycle/);
  t.same(held(), whole);
});

t.test('repeated, it does nothing, but for force and where something is missing', async (t) => {
  const { cache, at, held } = await prepare(t, { 'torch.whl': torchWheel() });
  const from = at('torch.whl');
  await installLibtorch({ from });
  const library = join(cache, '2.13.0-cpu/lib/libtorch_cpu.so');
  utimesSync(library, 1, 1);
  const isOld = () => statSync(library).mtimeMs === 1000;
  t.match(await installLibtorch({ from }), { alreadyThere: true });
  t.ok(isOld(), 'untouched');
  t.match(await installLibtorch({ version: '2.13.0+cpu' }), { alreadyThere: true }, 'pip is not asked');
  t.match(await installLibtorch({ from, force: true }), { alreadyThere: false });
  t.notOk(isOld(), 'force');
  rmSync(library);
  t.match(await installLibtorch({ from }), { alreadyThere: false });
  writeFileSync(library, 'cut off');
  t.match(await installLibtorch({ from }), { alreadyThere: false });
  t.same(held(), whole);
});

t.test('checksums: given, beside the file, in a line of several', async (t) => {
  const wheel = torchWheel();
  const { at, held } = await prepare(t, { 'torch.whl': wheel });
  const from = at('torch.whl');
  const wrong = sha256(Buffer.from('other'));
  await refused(t, { from, sha256: wrong }, 'CHECKSUM', new RegExp(`SHA-256 ${sha256(wheel)}.*${wrong}`));
  await refused(t, { from, sha256: 'abc' }, 'INVALID_ARGUMENT', /64 hexadecimal digits, not "abc"/);
  writeFileSync(`${from}.sha256`, `${wrong}  torch.whl\n`);
  await refused(t, { from }, 'CHECKSUM', /expected .*torch\.whl\.sha256\)/);
  writeFileSync(`${from}.sha256`, `${wrong}  other.whl\n`);
  await refused(t, { from }, 'CHECKSUM', /contains no SHA-256 of torch\.whl/);
  t.same(held(), []);
  writeFileSync(`${from}.sha256`, `${wrong}  other.whl\n${sha256(wheel).toUpperCase()} *torch.whl\n`);
  await installLibtorch({ from, sha256: sha256(wheel) });
  t.same(held(), whole);
  await refused(t, { from, sha256: wrong }, 'CHECKSUM', /expected .*the given checksum\)/);
  t.same(held(), whole, 'what was there stays');
});

t.test('damaged and hostile archives are refused, and the cache holds nothing of them', async (t) => {
  const zip = libtorchZip();
  const extra = (entry: Partial<ZipEntry>) =>
    libtorchZip((entries) => [...entries, { name: 'x', data: 'x', ...entry }]);
  const edit = (name: string, change: Partial<ZipEntry>) => (entries: ZipEntry[]) =>
    entries.map((entry) => (entry.name.endsWith(name) ? { ...entry, ...change } : entry));
  const middle = Buffer.from(zip);
  middle.fill(0, 100_000, 100_500);
  const start = Buffer.from(zip);
  const name = 'lib/libtorch_cpu.so';
  // A block of type 3, which there is not.
  start[zip.indexOf(name) + name.length] = 0xff;
  const cases: [string, Uint8Array | string, string, RegExp][] = [
    ['cut off', zip.subarray(0, zip.length / 2), 'ARCHIVE', /is cut off or damaged/],
    ['cut at its end', zip.subarray(0, -10), 'ARCHIVE', /is cut off or damaged/],
    ['no zip', 'not a zip at all', 'ARCHIVE', /is not a zip archive. Expected a torch wheel/],
    ['empty', '', 'ARCHIVE', /is not a zip archive/],
    ['overwritten in the middle', middle, 'CHECKSUM', /libtorch_cpu\.so.*CRC-32/],
    ['no deflated data', start, 'ARCHIVE', /libtorch_cpu\.so.*cannot be unpacked: invalid block type/],
    ['a symbolic link', extra({ mode: 0o120777, data: '/etc' }), 'ARCHIVE', /contains a symbolic link, x/],
    ['an absolute name', extra({ name: '/etc/x' }), 'ARCHIVE', /absolute path: \/etc\/x/],
    ['a name with ..', extra({ name: 'libtorch/lib/../../x.so' }), 'ARCHIVE', /relative path/],
    ['a name twice', extra({ name: 'libtorch/lib/libc10.so' }), 'ARCHIVE', /libc10\.so twice/],
    ['a wrong CRC-32', libtorchZip(edit('libc10.so', { statedCrc32: 1 })), 'CHECKSUM', /libc10\.so.*CRC-32/],
    ['a wrong RECORD', torchWheel(edit('libc10.so', { data: 'C10' })), 'CHECKSUM', /libc10\.so.*RECORD/],
    [
      'a file that RECORD leaves out',
      torchWheel((entries) => [...entries, { name: 'torch/lib/libevil.so', data: 'x' }]),
      'ARCHIVE',
      /no SHA-256 of torch\/lib\/libevil\.so in its RECORD/,
    ],
    [
      'too large for the disk',
      libtorchZip(edit('libc10.so', { statedSize: 2n ** 52n })),
      'DISK_FULL',
      /needs.*MiB/,
    ],
    ['a size that is not so', libtorchZip(edit('libc10.so', { statedSize: 100n })), 'ARCHIVE', /libc10\.so/],
    ['no libtorch', zipOf([{ name: 'readme', data: 'x' }]), 'LIBTORCH_UNSUPPORTED', /contains no libtorch/],
    [
      'two of them',
      extra({ name: 'torch/lib/libtorch.so' }),
      'LIBTORCH_UNSUPPORTED',
      /contains several: libtorch\/lib/,
    ],
    [
      'an old version',
      wheelOf('torch', '2.4.1', below('torch', torchFiles('2.4.1'))),
      'LIBTORCH_UNSUPPORTED',
      /contains libtorch 2\.4\.1, which is not supported; expected 2\.11\.x/,
    ],
    [
      'no version',
      zipOf([{ name: 'libtorch/lib/libtorch.so', data: 'x' }]),
      'LIBTORCH_UNSUPPORTED',
      /version of the libtorch in .* is unknown/,
    ],
    [
      'a library missing',
      libtorchZip((entries) => entries.filter(({ name }) => !name.endsWith('libc10.so'))),
      'LIBTORCH_UNSUPPORTED',
      /lib\/libc10\.so is missing/,
    ],
  ];
  for (const [name, data, code, message] of cases)
    await t.test(name, async (t) => {
      const { cache, at, held } = await prepare(t, { 'archive.zip': data });
      await refused(t, { from: at('archive.zip') }, code, message);
      t.same(held(), []);
      t.same(readdirSync(cache), [], 'not even a folder');
    });
});

t.test('what cannot be meant is refused', async (t) => {
  const { at } = await prepare(t, { 'folder/readme': '' });
  await refused(t, { from: at('absent.whl') }, 'FILE_NOT_FOUND', /absent\.whl does not exist/);
  await refused(t, { from: at('folder') }, 'LIBTORCH_UNSUPPORTED', /folder contains no lib\/libtorch\.so/);
  await refused(t, { from: at('folder'), sha256: '0'.repeat(64) }, 'INVALID_ARGUMENT', /has no checksum/);
  await refused(t, { from: 'ftp://host/torch.whl' }, 'INVALID_ARGUMENT', /should be http, https or file/);
  const insecure = 'http://torch.invalid/torch.whl';
  await refused(t, { from: insecure }, 'INVALID_ARGUMENT', /Use https, or give the archive's checksum/);
  const verified = { from: `${insecure}#sha256=${'0'.repeat(64)}` };
  await refused(t, verified, 'DOWNLOAD', /torch\.invalid/);
  await refused(t, { from: 'x', version: '2.13.0' }, 'INVALID_ARGUMENT', /Give either "version"/);
  await refused(t, { version: 'latest' }, 'INVALID_ARGUMENT', /like 2\.13\.0.*"latest"/);
});

t.test('an abort leaves nothing, and what was there before', async (t) => {
  const { at, held, cache } = await prepare(t, { 'torch.whl': torchWheel() });
  const from = at('torch.whl');
  const abortedAt = async (bytes: number) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const progress = installLibtorch({
      from,
      force: true,
      signal: controller.signal,
      onProgress: ({ doneBytes = 0 }) => doneBytes >= bytes && controller.abort(reason),
    });
    t.equal(await progress.catch((error: unknown) => error), reason);
  };
  await abortedAt(0);
  await abortedAt(1 << 20);
  await abortedAt(3 << 20);
  t.same(readdirSync(cache), []);
  await installLibtorch({ from });
  await abortedAt(1 << 20);
  t.same(held(), whole);
  await t.rejects(installLibtorch({ from, signal: AbortSignal.abort(new DinoSegError('ABORTED', 'no')) }), {
    code: 'ABORTED',
  });
});

t.test('progress counts every byte', async (t) => {
  const { at } = await prepare(t, { 'torch.whl': torchWheel() });
  const counted: number[] = [];
  let total = 0;
  await installLibtorch({
    from: at('torch.whl'),
    onProgress: ({ phase, doneBytes, totalBytes }) => {
      if (phase === 'unpack' && doneBytes !== undefined) counted.push(doneBytes);
      total = totalBytes ?? total;
    },
  });
  t.ok(total > 3 << 20);
  t.equal(counted.at(-1), total);
  t.same(
    counted,
    [...counted].sort((a, b) => a - b),
  );
});

t.test('several at the same time, in this process and in others: one whole libtorch', async (t) => {
  const { at, held } = await prepare(t, { 'torch.whl': torchWheel() });
  const from = at('torch.whl');
  const here = [{ from }, { from }, { from, force: true }, { from, force: true }].map(installLibtorch);
  const others = [0, 1].map(() => startCommand(['libtorch', 'install', '--from', from]).ended);
  const results = await Promise.all(here);
  t.ok(results.some(({ alreadyThere }) => !alreadyThere));
  for (const { code, stdout, stderr } of await Promise.all(others)) {
    t.equal(code, 0, stderr);
    t.equal(stdout.trim(), results[0]!.root);
  }
  t.same(held(), whole);
});

t.test('a full disk: DISK_FULL, and the cache as it was', async (t) => {
  const { at, held, cache } = await prepare(t, { 'torch.whl': torchWheel() });
  const library = new URL('../../../dist/native/libtorch/install-libtorch.js', import.meta.url).href;
  const program = `
    const { installLibtorch } = await import(${JSON.stringify(library)});
    await installLibtorch({ from: ${JSON.stringify(at('torch.whl'))}, force: true })
      .catch((error) => console.log(error.code, error.message));
  `;
  // A file size limit of 1 MiB stands for a disk that is full. tap's hook (NODE_OPTIONS) would end the program at the signal.
  const limited = `trap '' XFSZ; unset NODE_OPTIONS; ulimit -f 1024; exec "$0" --input-type=module -e "$1"`;
  const run = () => startProgram('bash', ['-c', limited, process.execPath, program]).ended;
  const { stdout, stderr } = await run();
  t.match(stdout, /^DISK_FULL .*libtorch_cpu\.so/, stderr);
  t.same(readdirSync(cache), []);
  await installLibtorch({ from: at('torch.whl') });
  t.match((await run()).stdout, /^DISK_FULL /);
  t.same(held(), whole);
});

t.test('what a killed install leaves is swept by the next; work of others stays', async (t) => {
  const { at, cache } = await prepare(t, { 'torch.whl': torchWheel() });
  const child = startProgram(process.execPath, ['-e', '0']);
  await child.ended;
  const of = (pid: number) => {
    const probe = readdirSync(cache).find((name) => name.startsWith('.incoming-'))!;
    return join(cache, probe.replace(/-\d+-\w+$/, `-${pid}-00000000`));
  };
  let dead = '';
  let living = '';
  let foreign = '';
  await installLibtorch({
    from: at('torch.whl'),
    onProgress: () => {
      if (dead) return;
      [dead, living] = [of(child.child.pid!), of(process.ppid)];
      foreign = join(cache, `.incoming-00000000-${child.child.pid}-00000000`);
      for (const folder of [dead, living, foreign]) mkdirSync(join(folder, 'unpacked'), { recursive: true });
    },
  });
  await installLibtorch({ from: at('torch.whl') });
  const left = () => readdirSync(cache).filter((name) => name.startsWith('.'));
  t.same(left().sort(), [living, foreign].map((path) => path.slice(cache.length + 1)).sort());
  for (const folder of [living, foreign]) utimesSync(folder, 1, 1);
  await installLibtorch({ from: at('torch.whl') });
  t.same(left(), [], 'after a day they go, whoever they were of');
});
