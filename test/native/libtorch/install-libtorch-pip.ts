import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { installLibtorch } from '../../../lib/native/libtorch/install-libtorch.js';
import { findLibtorch } from '../../../lib/native/libtorch/find-libtorch.js';
import { below, filesBelow, installed, setEnvironment, torchFiles } from '../../helpers/libtorch.js';
import { writeTree } from '../../helpers/temporary.js';
import { wheelOf } from '../../helpers/zip.js';

const requires = [
  'filelock',
  "nvidia-fake-cudnn==9.1.0; platform_system == 'Linux'",
  'cuda-toolkit[cublas]==13.0.2; platform_system == "Linux"',
  'nvidia-absent==1.0; extra == "optional"',
];
const cudaWheel = wheelOf('torch', '2.13.0+cu130', below('torch', torchFiles('2.13.0', 'cu130')), {
  requires,
});
/** As NVIDIA's packages are: libraries below nvidia/, and a package that only names others by extras. */
const besides = {
  'nvidia_fake_cudnn-9.1.0-py3-none-any.whl': wheelOf('nvidia-fake-cudnn', '9.1.0', {
    'nvidia/cudnn/lib/libcudnn.so.9': 'cudnn',
    'nvidia/cudnn/include/cudnn.h': 'header',
    'nvidia/cudnn/__init__.py': '',
  }),
  'cuda_toolkit-13.0.2-py3-none-any.whl': wheelOf(
    'cuda-toolkit',
    '13.0.2',
    {},
    { requires: ['nvidia-fake-cublas==13.1; extra == "cublas"'], provides: ['cublas'] },
  ),
  'nvidia_fake_cublas-13.1-py3-none-any.whl': wheelOf('nvidia-fake-cublas', '13.1', {
    'nvidia/cu13/lib/libcublas.so.13': 'cublas',
    'nvidia/cu13/lib/libcublas_static.a': 'static',
  }),
};
const nested = [
  'install.json',
  'nvidia/cu13/lib/libcublas.so.13',
  'nvidia/cudnn/lib/libcudnn.so.9',
  ...[...installed, 'lib/libc10_cuda.so', 'lib/libtorch_cuda.so']
    .filter((name) => name !== 'install.json')
    .map((name) => `torch/${name}`),
]
  .map((name) => `2.13.0-cu130/${name}`)
  .sort();

async function prepare(t: Test, files: Record<string, string | Uint8Array>, environment = {}) {
  const root = await writeTree(t, { 'home/.keep': '', ...files });
  const home = join(root, 'home');
  const none = { DINOV3_SEG_LIBTORCH: undefined, LIBTORCH: undefined };
  setEnvironment(t, { XDG_CACHE_HOME: home, ...none, ...environment });
  const cache = join(home, 'dinov3-seg/libtorch');
  return { root, cache, at: (name: string) => join(root, name), held: () => filesBelow(cache) };
}

/** Puts a python3 of our own first, and only, on PATH. */
function usePython(t: Test, folder: string, script: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'python3'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'python3'), 0o755);
  setEnvironment(t, { PATH: folder });
}

const wheel = wheelOf('torch', '2.13.0+cpu', below('torch', torchFiles()));

t.test("pip's wheel is installed; another time nothing is asked", async (t) => {
  const { at, cache, held } = await prepare(t, { 'index/torch-2.13.0+cpu-py3-none-any.whl': wheel });
  // --dest FOLDER is what follows --no-input.
  const copy = `while [ "$1" != --dest ]; do shift; done; echo "Downloading torch"; /bin/cp ${at('index')}/* "$2"`;
  usePython(t, at('bin'), copy);
  const messages: string[] = [];
  const outputs: string[] = [];
  const result = await installLibtorch({
    onProgress: ({ message, output }) => {
      messages.push(message);
      if (output !== undefined) outputs.push(output);
    },
  });
  t.same(
    held(),
    installed.map((name) => `2.13.0-cpu/${name}`),
  );
  t.equal(result.root, join(cache, '2.13.0-cpu'));
  t.ok(messages.includes('downloading torch 2.13.0 with pip'));
  t.ok(outputs.includes('Downloading torch'));
  usePython(t, at('bin'), 'exit 1');
  t.match(await installLibtorch(), { alreadyThere: true });
  await t.rejects(installLibtorch({ version: '2.13.0+cu130' }), { code: 'DOWNLOAD' });
  await t.rejects(installLibtorch({ sha256: '0'.repeat(64) }), { code: 'DOWNLOAD' });
});

t.test('no python3, no pip, no wheel, an abort: said, and nothing is left', async (t) => {
  const { at, cache } = await prepare(t, {});
  setEnvironment(t, { PATH: at('nowhere') });
  await t.rejects(installLibtorch(), { code: 'DOWNLOAD', message: /ENOENT.*\n.*\nInstall python3 with pip/ });
  usePython(t, at('bin'), 'echo "No module named pip" >&2; exit 1');
  await t.rejects(installLibtorch(), {
    code: 'DOWNLOAD',
    message: /torch==2\.13\.0 \(exit code 1\).\nNo module named pip/,
  });
  usePython(t, at('bin'), 'exit 0');
  await t.rejects(installLibtorch(), { code: 'DOWNLOAD', message: /no wheel of torch 2\.13\.0/ });
  usePython(t, at('bin'), 'echo waiting; exec /bin/sleep 86400');
  const controller = new AbortController();
  const onProgress = ({ output }: { output?: string }) =>
    output === 'waiting' && controller.abort(new Error('enough'));
  await t.rejects(installLibtorch({ signal: controller.signal, onProgress }), { message: 'enough' });
  t.same(readdirSync(cache), []);
});

function hasPip(): boolean {
  try {
    execFileSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const skip = hasPip() ? false : 'needs python3 with pip';
const noIndex = { PIP_NO_INDEX: '1', PIP_FIND_LINKS: undefined };

t.test("a CUDA wheel takes NVIDIA's wheels along, at the places of its run paths", { skip }, async (t) => {
  const files = { 'w/torch.whl': cudaWheel, ...below('w', besides) };
  const { at, cache, held } = await prepare(t, files, noIndex);
  const messages: string[] = [];
  const onProgress = ({ message }: { message: string }) => messages.push(message);
  const result = await installLibtorch({ from: at('w/torch.whl'), onProgress });
  t.equal(result.root, join(cache, '2.13.0-cu130/torch'));
  t.same(held(), nested);
  const needed =
    'is built for CUDA and needs nvidia-fake-cudnn==9.1.0, cuda-toolkit[cublas]==13.0.2: fetching them';
  t.ok(messages.some((message) => message.includes(needed)));
  t.match(findLibtorch(), { root: result.root, cuda: true, build: 'cu130', version: '2.13.0' });
  t.match(await installLibtorch({ from: at('w/torch.whl') }), { alreadyThere: true });
  // And from there to another cache, as one would from a Python environment.
  setEnvironment(t, { XDG_CACHE_HOME: at('other') });
  await installLibtorch({ from: result.root });
  t.same(filesBelow(at('other/dinov3-seg/libtorch')), nested);
});

t.test('a CUDA wheel without them is refused, with their names', { skip }, async (t) => {
  const { at, cache } = await prepare(t, { 'w/torch.whl': cudaWheel }, noIndex);
  const message = /could not download nvidia-fake-cudnn==9\.1\.0.*cuda-toolkit\[cublas\]==13\.0\.2/;
  await t.rejects(installLibtorch({ from: at('w/torch.whl') }), { code: 'DOWNLOAD', message });
  t.same(readdirSync(cache), []);
});

/** torch for a CUDA version; pip's main index does not name the build. */
const torchFor = (build: string, name = `2.13.0+${build}`) =>
  wheelOf('torch', name, below('torch', torchFiles('2.13.0', build)));
const wheelName = (version: string) => `torch-${version}-py3-none-any.whl`;
const builds = {
  [wheelName('2.13.0+cu126')]: torchFor('cu126'),
  [wheelName('2.13.0+cu130')]: torchFor('cu130'),
};

t.test('cuda chooses the build, in an index and in a folder of wheels', { skip }, async (t) => {
  const { at, cache } = await prepare(t, below('w', builds), noIndex);
  setEnvironment(t, { PIP_FIND_LINKS: at('w') });
  t.match(await installLibtorch({ cuda: '12.6' }), { build: 'cu126', alreadyThere: false });
  t.match(await installLibtorch({ cuda: '12.6' }), { build: 'cu126', alreadyThere: true });
  await t.rejects(installLibtorch({ cuda: '12.8' }), {
    code: 'LIBTORCH_UNSUPPORTED',
    message: /cu130-.*\.whl is built for cu130, not for CUDA 12\.8\./,
  });
  setEnvironment(t, { PIP_FIND_LINKS: at('home') });
  await t.rejects(installLibtorch({ cuda: '12.8' }), {
    code: 'DOWNLOAD',
    message: /could not download torch==2\.13\.0\+cu128/,
  });
  t.match(await installLibtorch({ from: at('w'), cuda: '13.0' }), { build: 'cu130', alreadyThere: false });
  t.same(readdirSync(cache).sort(), ['2.13.0-cu126', '2.13.0-cu130']);
  await t.rejects(installLibtorch({ from: at('w') }), {
    code: 'INVALID_ARGUMENT',
    message: /w has several torch wheels: torch-2\.13\.0\+cu126.*cu130.*Give one of them/,
  });
  await t.rejects(installLibtorch({ from: at('w'), cuda: '12.8' }), {
    code: 'FILE_NOT_FOUND',
    message: /no torch wheel for CUDA 12\.8, only torch-2\.13\.0\+cu126/,
  });
});

t.test('a build that its name does not tell is known by its content', { skip }, async (t) => {
  const files = { [`w/${wheelName('2.13.0')}`]: torchFor('cu130', '2.13.0') };
  const { at, cache } = await prepare(t, files, noIndex);
  setEnvironment(t, { PIP_FIND_LINKS: at('w') });
  const refused = /is built for cu130, not for CUDA 12\.6\. .*torch 2\.13\.0\+cu126/;
  for (const options of [{}, { from: at('w') }, { from: at(`w/${wheelName('2.13.0')}`) }])
    await t.rejects(installLibtorch({ ...options, cuda: '12.6' }), {
      code: 'LIBTORCH_UNSUPPORTED',
      message: refused,
    });
  t.same(readdirSync(cache), [], 'nothing is left');
  t.match(await installLibtorch({ cuda: '13.0' }), { build: 'cu130' });
});

t.test('what is no CUDA version is refused', async (t) => {
  await prepare(t, {});
  for (const cuda of ['13', 'cu130', '13.0.1', ''])
    await t.rejects(installLibtorch({ cuda }), {
      code: 'INVALID_ARGUMENT',
      message: /should look like 13\.0/,
    });
  await t.rejects(installLibtorch({ cuda: '13.0', version: '2.13.0+cpu' }), {
    code: 'INVALID_ARGUMENT',
    message: /either "cuda" or a version with a build/,
  });
});
