// Prints what each prebuilt binary needs. Fails if a binary would not load on other machines or contains ballast.
//   node scripts/check-binaries.mjs [FILE …]     without files: native/*/prebuilds
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './native-build.mjs';

/** The newest versions that a binary may need; README.md names the systems. */
const limits = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13' };

const readelf = (...args) => execFileSync('readelf', ['-W', ...args], { encoding: 'utf8' });
const compare = (a, b) => a.localeCompare(b, 'en', { numeric: true });

function prebuilds() {
  const native = join(root, 'native');
  return readdirSync(native, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes('prebuilds') && name.endsWith('.node'))
    .map((name) => join(native, name));
}

/** Newest version needed of each symbol family: `{GLIBC: '2.34', …}`. */
function versionNeeds(file) {
  const needs = {};
  for (const [, family, version] of readelf('-V', file).matchAll(/\b(GLIBC|GLIBCXX|CXXABI)_(\d[\d.]*)/g))
    if (compare(version, needs[family] ?? '0') > 0) needs[family] = version;
  return needs;
}

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
  if (file.includes('engine') && !/\bNODELETE\b/.test(dynamic)) faults.push('is not linked with -z nodelete');
  for (const fault of faults) console.log(`  FAULT: ${fault}`);
  return faults.length === 0;
}

const files = process.argv.length > 2 ? process.argv.slice(2) : prebuilds();
if (files.length === 0) console.log('FAULT: no prebuilt binaries found; run `npm run prebuild`.');
const passed = files.map(check);
process.exit(files.length > 0 && passed.every(Boolean) ? 0 : 1);
