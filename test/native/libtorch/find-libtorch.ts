import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { describeVersion, examine, findLibtorch } from '../../../lib/native/libtorch/find-libtorch.js';
import { below, setEnvironment, torchFiles } from '../../helpers/libtorch.js';
import { writeTree } from '../../helpers/temporary.js';

const minimal = (version?: string) => ({
  'lib/libtorch.so': '',
  'lib/libtorch_cpu.so': '',
  'lib/libc10.so': '',
  ...(version !== undefined && { 'build-version': version }),
});

/** Files below a folder, in an environment that names no libtorch and has an empty cache. */
async function prepare(t: Test, files: Record<string, string | Uint8Array>) {
  const root = await writeTree(t, files);
  setEnvironment(t, {
    XDG_CACHE_HOME: join(root, 'home'),
    DINOV3_SEG_LIBTORCH: undefined,
    LIBTORCH: undefined,
    LIBTORCH_USE_PYTORCH: undefined,
    VIRTUAL_ENV: undefined,
    CONDA_PREFIX: undefined,
  });
  return (name: string) => join(root, name);
}

t.test('the version of every kind of folder', (t) => {
  const cases: [string, Record<string, string>, object | undefined][] = [
    [
      'libtorch zip',
      { 'build-version': '2.13.0+cpu\n' },
      { version: '2.13.0', series: '2.13', build: 'cpu' },
    ],
    [
      'its CUDA build',
      { 'build-version': '2.12.1+cu128' },
      { version: '2.12.1', series: '2.12', build: 'cu128' },
    ],
    [
      'wheel',
      { 'version.py': "__version__ = '2.11.0+cu130'\ncuda: Optional[str] = '13.0'\n" },
      { version: '2.11.0', series: '2.11', build: 'cu130' },
    ],
    [
      'wheel that names no build',
      { 'version.py': "__version__ = '2.11.0'\ncuda: Optional[str] = '12.8'\n" },
      { version: '2.11.0', series: '2.11', build: 'cu128' },
    ],
    [
      'nightly',
      { 'version.py': "__version__ = '2.14.0a0+git12ab'\n" },
      { version: '2.14.0', build: 'git12ab' },
    ],
    [
      'headers only',
      {
        'include/torch/headeronly/version.h':
          '#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 13\n#define TORCH_VERSION_PATCH 4\n',
      },
      { version: '2.13.4', series: '2.13' },
    ],
    ['nothing', {}, undefined],
  ];
  for (const [name, files, expected] of cases) {
    const found = describeVersion((file) => files[file] ?? '');
    if (expected) t.match(found, expected, name);
    else t.equal(found, undefined, name);
  }
  t.end();
});

t.test('a folder that cannot be used is refused with the reason', async (t) => {
  const at = await prepare(t, {
    ...below('good', minimal('2.13.0+cpu')),
    ...below('old', minimal('2.4.1')),
    ...below('new', minimal('2.99.0')),
    ...below('unknown', minimal()),
    'half/lib/libtorch.so': '',
    'empty/readme': '',
  });
  t.match(examine(at('good'), 'test'), { root: at('good'), version: '2.13.0', cuda: false, source: 'test' });
  for (const [name, reason] of [
    ['old', /^version 2\.4\.1 is not supported; expected 2\.11\.x/],
    ['new', /^version 2\.99\.0 is not supported/],
    ['unknown', /version is unknown/],
    ['half', /lib\/libtorch_cpu\.so is missing/],
    ['empty', /lib\/libtorch\.so is missing/],
    ['absent', /no such folder/],
  ] as const)
    t.match(examine(at(name), 'test'), reason);
});

t.test('the places in their order', async (t) => {
  const at = await prepare(t, {
    ...below('explicit', minimal('2.13.0')),
    ...below('variable', minimal('2.13.0')),
    ...below('usual', minimal('2.13.0')),
    ...below('python/torch', torchFiles()),
    ...below('home/dinov3-seg/libtorch/2.13.0-cpu', minimal('2.13.0')),
    ...below('home/dinov3-seg/libtorch/2.13.0-cu130/torch', minimal('2.13.0+cu130')),
    ...below('home/dinov3-seg/libtorch/2.9.0-cpu', minimal('2.9.0')),
    ...below('home/dinov3-seg/libtorch/.incoming-0-1-2/unpacked', minimal('2.14.0')),
    ...below('venv/lib/python3.11/site-packages/torch', torchFiles()),
    ...below('conda/lib/python3.12/site-packages/torch', torchFiles('2.12.0')),
  });
  mkdirSync(at('bin'));
  writeFileSync(at('bin/python3'), `#!/bin/sh\necho ${at('python/torch')}\n`);
  chmodSync(at('bin/python3'), 0o755);
  const cache = 'home/dinov3-seg/libtorch';
  // Each row leaves out what the row before found.
  const steps: [
    explicit: string | undefined,
    environment: Record<string, string | undefined>,
    string,
    string,
  ][] = [
    [
      at('explicit'),
      {
        DINOV3_SEG_LIBTORCH: at('variable'),
        LIBTORCH: at('usual'),
        LIBTORCH_USE_PYTORCH: '1',
        PATH: `${at('bin')}:${process.env['PATH']}`,
        VIRTUAL_ENV: at('venv'),
        CONDA_PREFIX: at('conda'),
      },
      'explicit',
      'init({libtorch})',
    ],
    [undefined, {}, 'variable', 'DINOV3_SEG_LIBTORCH'],
    [undefined, { DINOV3_SEG_LIBTORCH: undefined }, 'usual', 'LIBTORCH'],
    [undefined, { LIBTORCH: '' }, 'python/torch', 'LIBTORCH_USE_PYTORCH'],
    [undefined, { LIBTORCH_USE_PYTORCH: '0' }, `${cache}/2.13.0-cu130/torch`, 'cache'],
    [undefined, { XDG_CACHE_HOME: at('nowhere') }, 'venv/lib/python3.11/site-packages/torch', 'VIRTUAL_ENV'],
    [undefined, { VIRTUAL_ENV: undefined }, 'conda/lib/python3.12/site-packages/torch', 'CONDA_PREFIX'],
  ];
  for (const [explicit, environment, folder, source] of steps) {
    setEnvironment(t, environment);
    t.match(findLibtorch(explicit), { root: at(folder), source });
  }
});

t.test('one that is named and cannot be used is an error; the search does not go on', async (t) => {
  const at = await prepare(t, {
    ...below('old', minimal('2.4.1')),
    ...below('home/dinov3-seg/libtorch/2.13.0-cpu', minimal('2.13.0')),
    'bin/python3': '#!/bin/sh\nexit 1\n',
    'bare/python3': '#!/bin/sh\necho\n',
  });
  for (const name of ['bin', 'bare']) chmodSync(at(`${name}/python3`), 0o755);
  t.throws(() => findLibtorch(at('old')), {
    code: 'LIBTORCH_UNSUPPORTED',
    message: /init\(\{libtorch\}\) names .*old, which cannot be used: version 2\.4\.1/,
  });
  for (const name of ['DINOV3_SEG_LIBTORCH', 'LIBTORCH']) {
    setEnvironment(t, { [name]: at('absent') });
    t.throws(() => findLibtorch(), {
      code: 'LIBTORCH_UNSUPPORTED',
      message: `${name} names ${at('absent')}`,
    });
    setEnvironment(t, { [name]: undefined });
  }
  setEnvironment(t, { LIBTORCH_USE_PYTORCH: '1', PATH: at('bin') });
  t.throws(() => findLibtorch(), { code: 'LIBTORCH_NOT_FOUND', message: /python3 failed/ });
  setEnvironment(t, { PATH: at('bare') });
  t.throws(() => findLibtorch(), { code: 'LIBTORCH_NOT_FOUND', message: /python3 has no torch package/ });
});

const usual = ['/opt/libtorch', '/usr/local/libtorch', '/usr/local'].find((path) =>
  existsSync(join(path, 'lib/libtorch.so')),
);

t.test('found nowhere: every place with its reason, and what to run', { skip: usual ?? false }, async (t) => {
  const at = await prepare(t, {
    ...below('home/dinov3-seg/libtorch/2.4.1-cpu', minimal('2.4.1')),
    'venv/lib/python3.11/site-packages/readme': '',
  });
  setEnvironment(t, { VIRTUAL_ENV: at('venv') });
  try {
    findLibtorch();
    t.fail('it should throw');
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    t.equal(code, 'LIBTORCH_NOT_FOUND');
    for (const line of [
      `cache: ${at('home/dinov3-seg/libtorch/2.4.1-cpu')}: version 2.4.1 is not supported; expected`,
      `VIRTUAL_ENV: ${at('venv/lib/python3.11/site-packages/torch')}: no such folder`,
      'usual place: /opt/libtorch: ',
      'usual place: /usr/local/libtorch: ',
      'usual place: /usr/local: ',
      'npx dinov3-seg libtorch install',
    ])
      t.ok(message.includes(line), line);
  }
  setEnvironment(t, { XDG_CACHE_HOME: dirname(at('absent')) });
  t.throws(() => findLibtorch(), { message: /cache: .*dinov3-seg\/libtorch: no such folder/ });
});
