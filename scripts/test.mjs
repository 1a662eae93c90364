// Runs all tests (including packages/street-scenes), or those in the given paths, in one process per processor. Each process loads
// tap and libtorch once. Only tests of GPUs see a GPU: what the others compute on the default device is the same on every machine.
//   node scripts/test.mjs [option of tap…] [test/PATH…]
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { usableCores } from '../dist/native/cores.js';

const root = fileURLToPath(new URL('..', import.meta.url));

// Files that permanently change their process, or measure it.
const alone = [
  'test/examples/fastify-limits.ts',
  'test/examples/fastify-server.ts',
  'test/files.ts',
  // It loads dist/ beside lib/: the addon's errors are then of the class of one of them.
  'test/fuzz/readers.ts',
  // It caps the GPU memory of its process.
  'test/model/weight-stream-cuda.ts',
  'test/native/lifetime.ts',
  'test/native/memory.ts',
];

const processBytes = 2 * 1024 ** 3;

const folders = ['test', 'packages/street-scenes/test'];

function testFiles(paths) {
  const files = folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((path) => `${folder}/${path}`),
    )
    .filter((path) => path.endsWith('.ts') && !/(^|\/)test\/(helpers|fixtures)\//.test(path));
  const isWanted = (file) =>
    paths.length === 0 || paths.some((path) => file === path || file.startsWith(`${path}/`));
  // Larger files first, so that no long one starts last.
  const bytes = (file) => statSync(join(root, file)).size;
  return files.filter(isWanted).sort((a, b) => bytes(b) - bytes(a));
}

/** Only for this run: several runs may use one clone at a time. */
const folder = `.tap/shared-${process.pid}`;

/** Whether a file has tests that run on GPUs. */
const isOfGpus = (file) =>
  /cuda/.test(file) || /cudaAvailable|helpers\/op-devices/.test(readFileSync(join(root, file), 'utf8'));

/** Writes the list of files that share processes and, for each process, a file for tap; returns those. */
function writeShared(name, files, processes, seesGpus) {
  const place = `${folder}/${name}`;
  mkdirSync(join(root, place), { recursive: true });
  writeFileSync(join(root, place, 'files.json'), JSON.stringify(files));
  const source = [
    "import { runFiles } from '../../../test/helpers/shared-process.js';\n",
    ...(seesGpus ? [] : ["process.env.CUDA_VISIBLE_DEVICES = '';"]),
    'await runFiles(import.meta.dirname);\n',
  ];
  return Array.from({ length: Math.min(processes, files.length) }, (_, i) => {
    const path = `${place}/process-${i + 1}.ts`;
    writeFileSync(join(root, path), source.join('\n'));
    return path;
  });
}

const isPath = (argument) => /^(\.\/)?(test|packages)(\/|$)/.test(argument);
const args = process.argv.slice(2);
const paths = args.filter(isPath).map((path) => path.replace(/^\.\//, '').replace(/\/$/, ''));
const files = testFiles(paths.filter((path) => path !== 'test'));
if (files.length === 0) {
  console.error(`No test files in ${paths.join(', ')}.`);
  process.exit(1);
}
const shared = files.filter((file) => !alone.includes(file));
const ofGpus = shared.filter(isOfGpus);
const others = shared.filter((file) => !ofGpus.includes(file));
const room = Math.max(1, Math.floor(freemem() / processBytes));
const jobs = Math.min(usableCores(), room);
const given = [
  ...files.filter((file) => alone.includes(file)),
  ...writeShared('gpu', ofGpus, 1, true),
  ...writeShared('cpu', others, jobs, false),
];
const tap = join(root, 'node_modules/tap/dist/esm/run.mjs');
const options = [`--jobs=${jobs}`, ...args.filter((argument) => !isPath(argument))];
const env = { ...process.env };
const isTerminal = process.stdout.isTTY === true;
if (!isTerminal) {
  // Without a terminal: the failures and the counts, once, instead of each assertion.
  options.unshift('--reporter=terse');
  env.CI ??= '1';
}
const stdio = ['inherit', isTerminal ? 'inherit' : 'pipe', 'inherit'];
const child = spawn(process.execPath, [tap, ...options, ...given], { cwd: root, env, stdio });
// The reporter shows the cursor again at its end, even without a terminal.
child.stdout
  ?.setEncoding('utf8')
  .on('data', (text) => process.stdout.write(text.replaceAll('\x1b[?25h', '')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('close', (code) => {
  rmSync(join(root, folder), { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
