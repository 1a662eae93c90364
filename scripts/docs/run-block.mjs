/** Runs a block as its reader would. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { changed } from './changes.mjs';

/** A block that takes longer hangs. */
const timeoutMilliseconds = 300_000;

/** Output of a failed block that is shown. */
const shownCharacters = 6000;

const env = { NO_COLOR: '1', OMP_NUM_THREADS: '1' };

function execute(program, args, folder) {
  const bin = join(folder, 'node_modules/.bin');
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    env: { ...process.env, ...env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMilliseconds,
  });
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  if (status === 0) return;
  const how = error?.message ?? (status === null ? `killed by ${signal}` : `exit code ${status}`);
  throw new Error(`${how}\n${output.slice(-shownCharacters)}`);
}

const runners = {
  sh(text, folder) {
    execute('bash', ['-O', 'expand_aliases', '-O', 'globstar', '-eu', '-o', 'pipefail', '-c', text], folder);
  },
  js(text, folder, { line }) {
    const script = join(folder, `block-${line}.mjs`);
    writeFileSync(script, text);
    execute(process.execPath, [script], folder);
  },
  json: (text) => void JSON.parse(text),
  yaml: (text) => void parseYaml(text, { strict: true, uniqueKeys: true }),
};

/** Whether a language is one of those that are run. */
export const isRun = (language) => Object.hasOwn(runners, language);

/** @throws Error with the exit code and the end of the output */
export function runBlock(block, folder) {
  const text = changed(block);
  runners[block.language](text, folder, block);
  if (block.file === undefined) return;
  const path = join(folder, block.file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
