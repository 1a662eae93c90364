// A folder of its own for projects that use the package, with nothing but node, npm and a shell on PATH.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export const scratch = mkdtempSync(join(tmpdir(), 'dinov3-seg-package-'));

export function fail(message) {
  throw new Error(message);
}
export function expect(condition, message) {
  if (!condition) fail(message);
}
export const kibibytes = (file) => `${(statSync(file).size / 1024).toFixed(0)} KiB`;

/** Where a program of this machine is. */
export const findProgram = (name) =>
  process.env.PATH.split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => statSync(path, { throwIfNoEntry: false })) ?? fail(`There is no ${name} on PATH.`);

/** A folder of links to these programs of this machine. */
export function linkPrograms(folder, names) {
  mkdirSync(folder, { recursive: true });
  for (const name of names) symlinkSync(findProgram(name), join(folder, name));
  return folder;
}

export const bin = linkPrograms(join(scratch, 'bin'), ['npm', 'npx', 'sh']);
symlinkSync(process.execPath, join(bin, 'node'));

const dropped =
  /^(npm_(?!config_cache)|LIBTORCH|DINOV3_SEG|LD_|VIRTUAL_ENV|CONDA|NODE_PATH|NODE_OPTIONS|CI$)/;
export const bareEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !dropped.test(name))),
  PATH: bin,
  OMP_NUM_THREADS: '2',
};

/** A folder with a package.json, and whatever else is given as name and text. */
export function makeProject(name, files = {}) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return folder;
}

/** Runs a program in a folder, whatever comes of it. `env` is added to the bare environment. */
export function attempt(folder, command, args, env = {}) {
  const path = { ...bareEnv, ...env }.PATH;
  const file = path
    .split(delimiter)
    .map((place) => join(place, command))
    .find((place) => statSync(place, { throwIfNoEntry: false }));
  const { status, signal, stdout, stderr, error } = spawnSync(file ?? command, args, {
    cwd: folder,
    env: { ...bareEnv, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (error) throw error;
  return { code: status ?? signal, stdout, stderr };
}

/** Runs a program in a folder; its output, or an error that shows it. */
export function use(folder, command, args, env = {}) {
  const { code, stdout, stderr } = attempt(folder, command, args, env);
  if (code !== 0) fail(`${command} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return { stdout, stderr };
}

/** Runs a part of the check and prints a line with its time and what it tells. */
export async function step(name, action) {
  const started = performance.now();
  const told = await action();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`ok ${name} (${seconds} s)${told ? `: ${told}` : ''}`);
}
