// Builds the addon with sanitizers (CMakePresets.json) and runs tests with it, each file in a process of its own.
//   node scripts/sanitize.mjs asan [test/PATH…]   AddressSanitizer and UndefinedBehaviorSanitizer; default: all tests
//   node scripts/sanitize.mjs tsan [test/PATH…]   ThreadSanitizer; default: the tests of lanes, caches, jobs and disposal
// Options: --no-build takes what is built; --jobs N runs so many files at a time (default 1). Reports go to build/asan/reports or
// build/tsan/reports; a file passes if its tests do and there is no report.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findLibtorchOrNone, root, run } from './native-build.mjs';

/** What runs on several threads. */
const threaded = [
  'test/native/jobs.ts',
  'test/native/lanes.ts',
  'test/native/lifetime.ts',
  'test/native/ending-environments.ts',
  'test/model/devices.ts',
  'test/model/segmentation-model.ts',
  'test/features/devices.ts',
  'test/cache',
  'test/train/cached.ts',
];

/** What cannot be run with sanitizers, or says nothing of them. */
const leftOut = {
  'test/native/engine.ts': 'it runs copies of the package with the binaries of native/',
  'test/native/cuda-kernels.ts': 'it runs copies of the package with the binaries of native/',
  'test/native/doctor/doctor.ts': 'it runs copies of the package with the binaries of native/',
  'test/checkpoint-limits.ts': 'it measures memory, of which a sanitizer takes several times as much',
  'test/disk-faults.ts': 'it preloads a library of its own, which takes the same calls',
};
const leftOutWithTsan = {
  'test/cache/disk-full.ts': 'ThreadSanitizer writes a file of its own that is larger than the test allows',
};

const suppressions = join(root, 'test/sanitizers/tsan.supp');

/** Options of each, with their reasons. */
const sanitizers = {
  asan: {
    library: 'libasan.so',
    env: (reports) => ({
      ASAN_OPTIONS: [
        // Node.js and V8 free little at the end of a process, and libtorch nothing of its registries.
        'detect_leaks=0',
        // libtorch is not compiled with these checks: its containers lack the marks that this one needs.
        'detect_container_overflow=0',
        // Tests ask for more memory than there is, and expect an error.
        'allocator_may_return_null=1',
        // A mapped file that is cut short is the addon's own business.
        'handle_sigbus=0',
        `log_path=${reports}/asan`,
      ].join(':'),
      UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:log_path=${reports}/ubsan`,
    }),
  },
  tsan: {
    library: 'libtsan.so',
    env: (reports) => ({
      // OpenMP's barriers are futexes, which ThreadSanitizer does not see: nothing that an operator's threads write would count as
      // ordered. What is looked at are the package's own threads.
      OMP_NUM_THREADS: '1',
      TSAN_OPTIONS: `suppressions=${suppressions}:allocator_may_return_null=1:ignore_noninstrumented_modules=1:history_size=4:log_path=${reports}/tsan`,
    }),
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: { build: { type: 'boolean', default: true }, jobs: { type: 'string', default: '1' } },
});
const [preset, ...paths] = positionals;
if (!Object.hasOwn(sanitizers, preset ?? '')) {
  console.error('Name a sanitizer: node scripts/sanitize.mjs asan|tsan [test/PATH…]');
  process.exit(2);
}

const { library, env } = sanitizers[preset];
const jobs = Number(values.jobs);
if (!(Number.isInteger(jobs) && jobs > 0)) {
  console.error(`--jobs should be a whole number of at least 1, not ${values.jobs}`);
  process.exit(2);
}
const folder = join(root, 'build', preset);
const reportsOf = (file) => join(folder, 'reports', file.replaceAll('/', '-').replace(/\.ts$/, ''));

if (values.build) {
  const libtorch = await findLibtorchOrNone();
  if (!libtorch) throw new Error('There is no libtorch to build with: npx dinov3-seg libtorch install');
  run('cmake', ['--preset', preset, `-DLIBTORCH=${libtorch.root}`]);
  run('cmake', ['--build', '--preset', preset, '--parallel']);
}

function testFiles(path) {
  if (!existsSync(join(root, path))) return [];
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true })
    .map((name) => `${path}/${name}`)
    .filter((name) => name.endsWith('.ts') && !/^test\/(helpers|fixtures)\//.test(name))
    .sort();
}
const given = paths.length > 0 ? paths : preset === 'tsan' ? threaded : ['test'];
const reasons = { ...leftOut, ...(preset === 'tsan' && leftOutWithTsan) };
const files = given.flatMap(testFiles).filter((file) => {
  if (Object.hasOwn(reasons, file)) console.log(`left out ${file}: ${reasons[file]}`);
  return !Object.hasOwn(reasons, file);
});
/** Of an allocation that a test expects to fail. */
const isExpected = (report) => /^(==\d+==WARNING: \w+ failed to allocate .*\s*)+$/.test(report);

const preload = execFileSync('g++', [`-print-file-name=${library}`], { encoding: 'utf8' }).trim();
const environment = {
  ...process.env,
  LD_PRELOAD: preload,
  DINOV3_SEG_NATIVE: join(folder, 'native'),
};
// ThreadSanitizer needs the addresses of programs where it expects them.
const prefix = preset === 'tsan' ? ['setarch', '-R'] : [];

function runFile(file) {
  const reports = reportsOf(file);
  mkdirSync(reports, { recursive: true });
  const [command, ...args] = [...prefix, process.execPath, 'scripts/test.mjs', file];
  const child = spawn(command, args, {
    cwd: root,
    env: { ...environment, ...env(reports) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => parts.push(part));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const all = readdirSync(reports).map((name) => readFileSync(join(reports, name), 'utf8'));
      const found = all.filter((report) => !isExpected(report));
      resolve({ code, output: Buffer.concat(parts).toString('utf8'), found });
    });
  });
}

let failed = 0;
async function report(file) {
  const { code, output, found } = await runFile(file);
  const counts = /# \{ total: .*\}/.exec(output)?.[0] ?? '';
  const passed = code === 0 && found.length === 0;
  if (!passed) failed++;
  console.log(
    `${passed ? 'ok' : 'FAILED'} ${file} ${counts}${found.length > 0 ? ` ${found.length} reports` : ''}`,
  );
  if (!passed) console.log([...found, ...(code === 0 ? [] : [output])].join('\n'));
}

rmSync(join(folder, 'reports'), { recursive: true, force: true });
const waiting = [...files];
const worker = async () => {
  for (let file = waiting.shift(); file; file = waiting.shift()) await report(file);
};
await Promise.all(Array.from({ length: jobs }, worker));
console.log(`${files.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
