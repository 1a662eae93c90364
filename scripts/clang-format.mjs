// Checks (or with --fix mends) the C++ formatting.
import { execFileSync } from 'node:child_process';

const files = execFileSync('git', ['ls-files', 'cpp/**/*.h', 'cpp/**/*.cpp', 'cpp/**/*.cu'], { encoding: 'utf8' });
const mode = process.argv.includes('--fix') ? ['-i'] : ['--dry-run', '--Werror'];
try {
  execFileSync('clang-format', [...mode, ...files.trim().split('\n')], { stdio: 'inherit' });
} catch (error) {
  if (error.code === 'ENOENT') console.error('clang-format is not installed (apt-get install clang-format)');
  process.exit(1);
}
