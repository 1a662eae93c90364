// Prints what each prebuilt binary needs. Fails if a binary would not load on other machines or contains ballast, or if an engine
// or its cuda_ops.so needs a symbol that its libtorch lacks. These and the CUDA kernels must need no CUDA runtime of the machine.
//   node scripts/check-binaries.mjs [--libtorch DIR …] [FILE …]     without files: native/*/prebuilds
// Engines are compared with the given libtorch of their version; without one, with the one that the package finds, if it fits.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findLibtorch } from '../dist/native/libtorch/find-libtorch.js';
import { root } from './native-build.mjs';

/** The newest versions that a binary may need; README.md names the systems. */
const limits = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13' };

const text = { encoding: 'utf8', maxBuffer: 2 ** 28 };
const readelf = (...args) => execFileSync('readelf', ['-W', ...args], text);
const compare = (a, b) => a.localeCompare(b, 'en', { numeric: true });

function prebuilds() {
  const native = join(root, 'native');
  return readdirSync(native, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes('prebuilds') && /\.(node|so)$/.test(name))
    .map((name) => join(native, name));
}

/** Newest version needed of each symbol family: `{GLIBC: '2.34', …}`. */
function versionNeeds(file) {
  const needs = {};
  for (const [, family, version] of readelf('-V', file).matchAll(/\b(GLIBC|GLIBCXX|CXXABI)_(\d[\d.]*)/g))
    if (compare(version, needs[family] ?? '0') > 0) needs[family] = version;
  return needs;
}

/** Dynamic symbols of a file: [name, version or undefined]. */
function symbols(file, which) {
  const lines = execFileSync('nm', ['-D', which, file], text).split('\n');
  const found = lines.map((line) => / [A-Z] (?<name>[^@\s]+)(?:@+(?<version>\S+))?$/.exec(line)?.groups);
  return found.filter(Boolean).map(({ name, version }) => [name, version]);
}

/** What each libtorch exports, by its version. */
const exported = new Map();

/** Of libtorch_cuda.so and libc10_cuda.so: the mangled namespaces at::cuda and c10::cuda. */
const ofCudaLibtorch = (name) => /2at4cuda|3c104cuda/.test(name);
/** Of CUDA's own libraries, which differ between builds of one libtorch. */
const ofCuda = (name) => /^(cu|cuda|__cuda)[A-Z]/.test(name);

/** Symbols that a binary needs and neither its libtorch nor Node.js has. */
function missingSymbols(file, libtorch) {
  if (!exported.has(libtorch.series)) {
    const folder = join(libtorch.root, 'lib');
    const libraries = readdirSync(folder).filter((name) => /\.so[.\d]*$/.test(name));
    exported.set(
      libtorch.series,
      new Set(
        libraries.flatMap((name) => symbols(join(folder, name), '--defined-only').map(([symbol]) => symbol)),
      ),
    );
  }
  // Those with versions are the system's: versionNeeds looks at them.
  const isThere = ([name, version]) =>
    version !== undefined || /^(napi|node_api)_/.test(name) || exported.get(libtorch.series).has(name);
  return symbols(file, '--undefined-only')
    .filter((symbol) => !isThere(symbol))
    .map(([name]) => name);
}

/** The kernels: for every libtorch, and without one. */
function checkKernels(file, faults) {
  const needed = symbols(file, '--undefined-only').filter(([, version]) => version === undefined);
  if (needed.length > 0)
    faults.push(`needs symbols of no system: ${needed.map(([name]) => name).join(', ')}`);
  const shown = symbols(file, '--defined-only').map(([name]) => name);
  if (shown.join() !== 'dinov3_seg_cuda_kernels')
    faults.push(`should export dinov3_seg_cuda_kernels alone, and exports ${shown.join(', ')}`);
}

function checkSymbols(file, faults) {
  const series = /torch-(\d+\.\d+)/.exec(file)?.[1];
  if (series === undefined) return;
  const libtorch = libtorches.find((each) => each.series === series);
  if (!libtorch) {
    console.log(`  not compared with libtorch ${series}, which was not given`);
    return;
  }
  const absent = missingSymbols(file, libtorch);
  const missing = absent.filter((name) => libtorch.cuda || !ofCudaLibtorch(name));
  if (absent.length > missing.length)
    console.log(
      `  ${absent.length} symbols of libtorch_cuda.so not compared: ${libtorch.root} is without CUDA`,
    );
  if (missing.length === 0)
    console.log(
      `  all ${absent.length > 0 ? 'other' : 'its'} symbols are in libtorch ${libtorch.version} (${libtorch.root})`,
    );
  else faults.push(`needs symbols that libtorch ${libtorch.version} lacks: ${missing.join(', ')}`);
}

const cudaSymbols = (file) =>
  symbols(file, '--undefined-only')
    .map(([name]) => name)
    .filter(ofCuda);

function check(file) {
  const dynamic = readelf('-d', file);
  const entries = (tag) =>
    [...dynamic.matchAll(new RegExp(`\\(${tag}\\).*\\[(.*)\\]`, 'g'))].map(([, value]) => value);
  const needs = versionNeeds(file);
  const libraries = entries('NEEDED');
  console.log(`${file.replace(root, '')}: ${(statSync(file).size / 1024).toFixed(0)} KiB`);
  console.log(
    `  needs ${Object.entries(needs)
      .map((need) => need.join(' '))
      .join(', ')}`,
  );
  console.log(`  needs ${libraries.join(', ')}`);

  const faults = [];
  const paths = [...entries('RPATH'), ...entries('RUNPATH')];
  if (paths.length > 0) faults.push(`has a search path: ${paths.join(', ')}`);
  if (libraries.some((name) => name.includes('/'))) faults.push('needs a library by its path');
  if (/\.(symtab|debug_info)\b/.test(readelf('-S', file))) faults.push('is not stripped');
  for (const [family, limit] of Object.entries(limits))
    if (compare(needs[family] ?? '0', limit) > 0)
      faults.push(`needs ${family}_${needs[family]}; README promises ${limit}`);
  if (!file.includes('loader') && !/\bNODELETE\b/.test(dynamic))
    faults.push('is not linked with -z nodelete');
  const runtime = [...libraries.filter((name) => /^libcu/.test(name)), ...cudaSymbols(file)];
  if (runtime.length > 0) faults.push(`needs CUDA's runtime: ${runtime.join(', ')}`);
  if (file.endsWith('cuda_kernels.so')) checkKernels(file, faults);
  else checkSymbols(file, faults);
  for (const fault of faults) console.log(`  FAULT: ${fault}`);
  return faults.length === 0;
}

function libtorchIfAny() {
  try {
    return [findLibtorch()];
  } catch {
    return [];
  }
}

const { values, positionals } = parseArgs({
  options: { libtorch: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const libtorches = values.libtorch?.map((folder) => findLibtorch(folder)) ?? libtorchIfAny();
const files = positionals.length > 0 ? positionals : prebuilds();
if (files.length === 0) console.log('FAULT: no prebuilt binaries found; run `npm run prebuild`.');
const passed = files.map(check);
process.exit(files.length > 0 && passed.every(Boolean) ? 0 : 1);
