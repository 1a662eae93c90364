// A clone without binaries cannot be packed, nor serve as a git dependency; both must say what to do.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from '../native-build.mjs';
import { attempt, bareEnv, expect, makeProject, scratch } from './sandbox.mjs';

const clone = join(scratch, 'clone');
const git = (...args) => execFileSync('git', args, { cwd: clone, stdio: ['ignore', 'ignore', 'inherit'] });

function refused({ code, stdout, stderr }, what, parts) {
  const output = stdout + stderr;
  expect(code !== 0, `${what} succeeded:\n${output}`);
  for (const part of parts) expect(output.includes(part), `${what} does not say "${part}":\n${output}`);
}

export function checkClone() {
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone], { stdio: 'inherit' });
  refused(attempt(clone, 'npm', ['pack']), 'npm pack', ['There is no prebuilt', 'npm run prebuild']);

  // npm installs the development packages of a git dependency first; without them it comes to the point in seconds.
  const manifest = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));
  writeFileSync(join(clone, 'package.json'), JSON.stringify({ ...manifest, devDependencies: {} }));
  rmSync(join(clone, 'package-lock.json'));
  const author = ['-c', 'user.name=check', '-c', 'user.email=check@example.com'];
  git(...author, 'commit', '--quiet', '--all', '--no-verify', '--message', 'without development packages');
  const project = makeProject('git-dependency');
  const PATH = [bareEnv.PATH, process.env.PATH].join(delimiter);
  const install = attempt(project, 'npm', ['install', '--no-audit', '--no-fund', `git+file://${clone}`], {
    PATH,
  });
  refused(install, 'npm install of a git dependency', ['contains no compiled files', 'npm pack']);
  return 'npm pack and a git dependency are refused, with what to do';
}
