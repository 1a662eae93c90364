/** What cannot be loaded is refused, in processes of their own: a libtorch stays loaded until its process ends. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { startProgram } from '../helpers/command-line.js';
import { binaries, claimingCuda, engineName, libtorch, packageWith, root } from '../helpers/package-copy.js';

interface Outcome {
  code?: string;
  message?: string;
  /** Whether it is the package's own error class. */
  own?: boolean;
  loaded?: string;
}

/** Loads the engine of the package in `folder` in a process of its own, after `before`. */
async function load(t: Test, folder: string, env: Record<string, string>, before = ''): Promise<Outcome> {
  const program = `${before}
    const { engine } = await import('${folder}/dist/native/engine.js');
    const { loadedLibtorch } = await import('${folder}/dist/native/engine.js');
    const { DinoSegError } = await import('${folder}/dist/errors.js');
    try {
      engine();
      console.log(JSON.stringify({ loaded: loadedLibtorch().series }));
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message, own: error instanceof DinoSegError }));
    }`;
  const none = { LIBTORCH: '', LIBTORCH_USE_PYTORCH: '', VIRTUAL_ENV: '', CONDA_PREFIX: '' };
  const args = ['--input-type=module', '-e', program];
  const { stdout, stderr, code, signal } = await startProgram(process.execPath, args, { ...none, ...env })
    .ended;
  t.same([code, signal, stderr], [0, null, ''], 'the process ends well');
  return JSON.parse(stdout) as Outcome;
}

function folderOf(t: Test, files: Record<string, string>): string {
  const folder = t.testdir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const lookalike = (version: string) => ({
  'lib/libtorch.so': 'no library',
  'lib/libtorch_cpu.so': 'no library',
  'lib/libc10.so': 'no library',
  'build-version': `${version}+cpu`,
});
const given = { DINOV3_SEG_LIBTORCH: libtorch.root };

t.test(
  'a named folder that cannot be used is an error with its reason, whatever else there is',
  async (t) => {
    const cases: [string, Record<string, string>, RegExp][] = [
      ['a folder that is no libtorch', { 'readme.txt': '' }, /cannot be used: lib\/libtorch\.so is missing/],
      [
        'an unsupported version',
        lookalike('2.4.1'),
        /cannot be used: version 2\.4\.1 is not supported; expected 2\.11\.x, /,
      ],
      ['libraries that do not load', lookalike('2.13.0'), /libtorch\.so cannot be loaded: .*doctor/],
    ];
    for (const [name, files, message] of cases)
      await t.test(name, async (t) => {
        const folder = folderOf(t, files);
        const outcome = await load(t, root, { DINOV3_SEG_LIBTORCH: folder });
        t.match(outcome, { code: 'LIBTORCH_UNSUPPORTED', message, own: true });
        t.ok(outcome.message!.includes(folder), 'names the folder');
      });
  },
);

t.test(
  'a libtorch that was not copied to its end is refused; opening it would end the process',
  async (t) => {
    const folder = folderOf(t, lookalike(libtorch.version));
    // A library's first half: its header, and not its sections.
    const whole = readFileSync(binaries.engine);
    writeFileSync(join(folder, 'lib/libtorch_cpu.so'), whole.subarray(0, whole.length / 2));
    const outcome = await load(t, root, { DINOV3_SEG_LIBTORCH: folder });
    t.match(outcome, { code: 'LIBTORCH_UNSUPPORTED', message: /libtorch_cpu\.so is cut short/, own: true });
  },
);

t.test('without any libtorch the places and the command to run are listed', async (t) => {
  const cache = join(t.testdir(), 'cache');
  const outcome = await load(t, root, { DINOV3_SEG_LIBTORCH: '', XDG_CACHE_HOME: cache });
  // A machine may have one in a place that cannot be turned off.
  if (outcome.loaded) return t.comment('there is a libtorch in a usual place');
  t.match(outcome, { code: 'LIBTORCH_NOT_FOUND', own: true });
  for (const part of [`${cache}/dinov3-seg/libtorch`, '/opt/libtorch', '`npx dinov3-seg libtorch install`'])
    t.ok(outcome.message!.includes(part), part);
});

t.test('a second libtorch in the process is refused, not loaded', async (t) => {
  const folder = t.testdir({ lib: {} });
  // To the process a library of that name is a libtorch; this one is small and has no dependencies.
  const other = join(folder, 'lib/libtorch_cpu.so');
  copyFileSync(binaries.loader, other);
  const before = `process.dlopen({ exports: {} }, '${other}');`;
  const outcome = await load(t, root, given, before);
  t.match(outcome, {
    code: 'LIBTORCH_UNSUPPORTED',
    message: /already loaded a libtorch .* loading a second one/,
    own: true,
  });
  t.ok(outcome.message!.includes(join(folder, 'lib')), 'names the first');
});

t.test('an engine for another libtorch is not tried', async (t) => {
  const folder = packageWith(t, {
    'loader/build/Release/loader.node': binaries.loader,
    'torch-2.99/build/Release/engine.node': binaries.engine,
    'torch-2.12/prebuilds/linux-x64/engine.glibc.node': binaries.engine,
  });
  const other = libtorch.series === '2.12' ? 'torch-2.12' : engineName;
  if (other === 'torch-2.12') return t.comment('the libtorch here is 2.12');
  const outcome = await load(t, folder, given);
  t.match(outcome, {
    code: 'ADDON',
    message: /was not built for this libtorch \(built for: 2\.12\)/,
    own: true,
  });
  t.match(outcome.message, /npm run build:native/);
});

t.test('a damaged or missing binary is an ADDON error that names it', async (t) => {
  const whole = readFileSync(binaries.engine);
  const good = { 'loader/build/Release/loader.node': binaries.loader };
  const cases: [string, Record<string, string | Buffer>][] = [
    ['text', { ...good, [`${engineName}/build/Release/engine.node`]: Buffer.from('no library') }],
    ['cut', { ...good, [`${engineName}/build/Release/engine.node`]: whole.subarray(0, whole.length - 1) }],
    ['a header', { ...good, [`${engineName}/build/Release/engine.node`]: whole.subarray(0, 40) }],
    ['empty', { ...good, [`${engineName}/build/Release/engine.node`]: Buffer.alloc(0) }],
    [
      'of another platform',
      { ...good, [`${engineName}/prebuilds/sunos-sparc/engine.node`]: binaries.engine },
    ],
    ['loader', { 'loader/build/Release/loader.node': Buffer.from('no library') }],
    ['nothing', {}],
  ];
  for (const [name, native] of cases)
    await t.test(name, async (t) => {
      const folder = packageWith(t, native);
      const outcome = await load(t, folder, given);
      t.match(outcome, { code: 'ADDON', own: true, message: /npm run build:native/ });
      t.ok(outcome.message!.includes(join(folder, 'native')), 'names the folder');
    });
});

t.test('libraries for CUDA that cannot be used never stop the engine', async (t) => {
  const withCuda = (operators: string | Buffer, kernels: string | Buffer) => ({
    'loader/build/Release/loader.node': binaries.loader,
    [`${engineName}/build/Release/engine.node`]: binaries.engine,
    [`${engineName}/build/Release/cuda_ops.so`]: operators,
    'cuda-kernels/build/Release/cuda_kernels.so': kernels,
  });
  // Without a device, there is nobody to warn.
  const cuda = libtorch.cuda ? libtorch.root : claimingCuda(t);
  const onCuda = { DINOV3_SEG_LIBTORCH: cuda, CUDA_VISIBLE_DEVICES: '' };
  const whole = readFileSync(binaries.loader);
  for (const [name, content] of [
    ['text', Buffer.from('no library')],
    ['cut', whole.subarray(0, whole.length / 2)],
    ['libraries of others', binaries.loader],
  ] as const)
    await t.test(name, async (t) => {
      const outcome = await load(t, packageWith(t, withCuda(content, content)), onCuda);
      t.same(outcome, { loaded: libtorch.series });
    });
});

t.test('a prebuilt binary loads, and a build from source goes before it', async (t) => {
  const loader = { 'loader/prebuilds/linux-x64/loader.glibc.node': binaries.loader };
  const prebuilt = `${engineName}/prebuilds/linux-x64/engine.glibc.node`;
  const alone = packageWith(t, { ...loader, [prebuilt]: binaries.engine });
  t.same(await load(t, alone, given), { loaded: libtorch.series });
  await t.test('both', async (t) => {
    const both = packageWith(t, {
      ...loader,
      [prebuilt]: Buffer.from('no library'),
      [`${engineName}/build/Release/engine.node`]: binaries.engine,
    });
    t.same(await load(t, both, given), { loaded: libtorch.series });
  });
});
