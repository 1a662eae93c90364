// Builds the addon with sanitizers (CMakePresets.json) and runs tests with it, as scripts/test.mjs does.
//   node scripts/sanitize.mjs asan [test/PATH…]   AddressSanitizer and UndefinedBehaviorSanitizer; default: all tests
//   node scripts/sanitize.mjs tsan [test/PATH…]   ThreadSanitizer; default: the tests of lanes, caches, jobs and disposal
// Option: --no-build takes what is built. Reports go to build/asan/reports or build/tsan/reports. It passes if the tests do and there
// is no report. A process that ends with a report takes along the files that it would have run: run these again by name.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
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
  'test/native/memory.ts': 'it measures memory, of which a sanitizer takes several times as much',
  'test/model/memory-room.ts': 'it limits the address space, of which sanitizers take terabytes',
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
        // CUDA's driver maps memory where AddressSanitizer wants none.
        'protect_shadow_gap=0',
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
  options: { build: { type: 'boolean', default: true } },
});
const [preset, ...paths] = positionals;
if (!Object.hasOwn(sanitizers, preset ?? '')) {
  console.error('Name a sanitizer: node scripts/sanitize.mjs asan|tsan [test/PATH…]');
  process.exit(2);
}

const { library, env } = sanitizers[preset];
const folder = join(root, 'build', preset);
const reports = join(folder, 'reports');

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
if (files.length === 0) {
  console.error(`No test files to run in ${given.join(', ')}.`);
  process.exit(2);
}
/** Of an allocation that a test expects to fail. */
const isExpected = (report) => /^(==\d+==WARNING: \w+ failed to allocate .*\s*)+$/.test(report);

// ThreadSanitizer needs the addresses of programs where it expects them.
const prefix = preset === 'tsan' ? ['setarch', '-R'] : [];
const [command, ...args] = [...prefix, process.execPath, 'scripts/test.mjs', '--reporter=terse', ...files];
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const child = spawn(command, args, {
  cwd: root,
  env: {
    ...process.env,
    ...env(reports),
    LD_PRELOAD: execFileSync('g++', [`-print-file-name=${library}`], { encoding: 'utf8' }).trim(),
    DINOV3_SEG_NATIVE: join(folder, 'native'),
  },
  stdio: 'inherit',
});
const [code] = await once(child, 'close');
const found = readdirSync(reports)
  .map((name) => readFileSync(join(reports, name), 'utf8'))
  .filter((report) => !isExpected(report));
if (found.length > 0) console.log(found.join('\n'));
console.log(`${files.length} files, ${found.length} reports of ${preset}`);
process.exitCode = code === 0 && found.length === 0 ? 0 : 1;
