// Checks (or with --fix mends) the C++ formatting, with the version that package-lock.json names.
import { execFileSync } from 'node:child_process';

const files = execFileSync(
  'git',
  ['ls-files', ...['h', 'cpp', 'cuh', 'cu'].flatMap((end) => [`cpp/**/*.${end}`, `packages/**/*.${end}`])],
  { encoding: 'utf8' },
);
const mode = process.argv.includes('--fix') ? ['-i'] : ['--dry-run', '--Werror'];
try {
  execFileSync('npx', ['clang-format', ...mode, ...files.trim().split('\n')], { stdio: 'inherit' });
} catch {
  process.exit(1);
}
