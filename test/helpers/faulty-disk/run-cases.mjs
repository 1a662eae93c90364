/**
 * Makes writes of commands fail, one after the other, and looks at what that leaves: `node run-cases.mjs REQUEST`, preloaded with
 * faulty-disk.c. REQUEST is JSON: `folder` for all files, `log` (FAULTY_DISK_LOG), and optionally `commands`, `calls`, `errors` (names)
 * and `most` (cases in all, spread evenly). Prints a line of JSON per case:
 *   command, call, file, error   what failed, from then on always until the disk was mended
 *   outcome                      the error's code; `done` if the command went on to the right result
 *   wrong                        what is not as it should be, empty if nothing is
 */
import { createHash } from 'node:crypto';
import { existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join, relative } from 'node:path';
import { engine } from '../../../dist/native/engine.js';
import { freshFolder, makeCommands } from './commands.mjs';
import { runCommand } from './run-command.mjs';

const { folder, log, ...wanted } = JSON.parse(process.argv[2]);
const all = ['EIO', 'ENOSPC', 'EROFS', 'ESTALE'];
/** What a disk can answer to a call. */
const errorsOf = {
  open: all,
  write: all,
  sync: ['EIO', 'ENOSPC', 'ESTALE'],
  truncate: all,
  reserve: ['ENOSPC'],
  rename: all,
  link: all,
  mkdir: all,
  unlink: ['EIO', 'EROFS', 'ESTALE'],
  close: ['EIO', 'ENOSPC', 'ESTALE'],
  // The whole disk, from some moment on.
  any: ['EIO', 'EROFS', 'ESTALE'],
};
/** Files that grow by appended lines or records: what stands there may end anywhere. */
const isAppended = (name) =>
  /(^|\/)(metrics\.jsonl|training\.log|index\.jsonl|records-\d+\.bin|journal\.jsonl|predictions\.jsonl|events\.out[^/]*|lock)$/.test(
    name,
  );
const isTemporary = (name) => /\.tmp(-|$)|\.tmp\//.test(name);
const isClaim = (name) => /(^|\/)claim-/.test(name);
/** A lock's file stays, and says which process held it where that could not be erased. */
const isLock = (name) => basename(name) === 'lock';

const out = join(folder, 'out');
const commands = await makeCommands(folder);

function setFault(spec) {
  try {
    openSync(`/faulty-disk/${spec}`, 'r');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return;
  }
  throw new Error('this process is not preloaded with faulty-disk.c');
}

function filesBelow(path) {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true })
    .filter((name) => statSync(join(path, name)).isFile())
    .sort();
}

/** The last line about each predicted image. A line may be cut off, and each run that predicts something adds a report. */
function predictionLines(text) {
  const byFolder = new Map();
  for (const line of text.split('\n')) {
    const folder = /^\{"folder":"([^"]+)".*\}$/.exec(line)?.[1];
    if (folder !== undefined) byFolder.set(folder, line);
  }
  return [...byFolder.values()].sort();
}

/** A file's digest, without what the clock says. */
function digestOf(path) {
  let bytes = readFileSync(path);
  if (basename(path) === 'predictions.jsonl') bytes = predictionLines(bytes.toString()).join('\n');
  if (basename(path) === 'metrics.jsonl')
    bytes = bytes.toString().replaceAll(/"(seconds|imagesPerSecond)":[\d.e+-]+/g, '"$1":0');
  return createHash('sha256').update(bytes).digest('hex');
}

const digestsOf = (path) => new Map(filesBelow(path).map((name) => [name, digestOf(join(path, name))]));

async function run(command, args) {
  return runCommand(commands[command][args](out));
}

function fresh(command) {
  rmSync(out, { recursive: true, force: true });
  freshFolder(out, commands[command].prepare);
}

/** Names that processes and clocks choose, as one. */
const fileOf = (path) =>
  relative(out, path)
    .replace(/(^|\/)\.([^/]+)\.[0-9a-f]{12}\.tmp/, '$1$2')
    .replace(/\.tmp-\d+-\d+$/, '')
    .replace(/claim-[0-9a-f]{16}/, 'claim')
    .replace(/events\.out\.tfevents\..*/, 'events.out.tfevents');

/** Runs a command undisturbed, twice: its calls, and the files that are the same each time. */
async function undisturbed(command) {
  const results = [];
  let lines = [];
  for (let i = 0; i < 2; i++) {
    fresh(command);
    writeFileSync(log, '');
    const { code, stderr } = await run(command, 'args');
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
    lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    results.push(digestsOf(out));
  }
  const [first, second] = results;
  const names = [...first.keys()].filter((name) => !isClaim(name) && !isLock(name));
  const expected = new Map(
    names.map((name) => [name, first.get(name) === second.get(name) ? first.get(name) : null]),
  );
  const calls = new Map();
  let total = 0;
  for (const line of lines) {
    const [call, path] = line.split('\t');
    if (path !== out && !path.startsWith(`${out}/`)) continue;
    total++;
    calls.set(`${call}\t${fileOf(path)}`, { call, file: fileOf(path) });
  }
  for (const share of [0, 0.2, 0.4, 0.6, 0.8])
    calls.set(`any\t${share}`, { call: 'any', file: '', n: 1 + Math.floor(share * total) });
  return { expected, calls: [...calls.values()] };
}

/** Whether a file that is not as at the end is at least whole. */
async function isWhole(path) {
  if (path.endsWith('.safetensors')) {
    await engine().inspect(path);
    return true;
  }
  if (!path.endsWith('.json')) return false;
  JSON.parse(readFileSync(path, 'utf8').replace(/\n[0-9a-f]{64}\n$/, ''));
  return true;
}

async function halfWritten(expected, keepsLeftovers) {
  const wrong = [];
  for (const name of filesBelow(out)) {
    if (isAppended(name)) continue;
    if (isTemporary(name) || isClaim(name)) {
      if (!keepsLeftovers) wrong.push(`left ${name}`);
      continue;
    }
    const digest = expected.get(name);
    if (digest === null || digest === digestOf(join(out, name))) continue;
    if (!(await isWhole(join(out, name)).catch(() => false))) wrong.push(`${name} is half-written`);
  }
  return wrong;
}

function differences(expected) {
  const found = digestsOf(out);
  const wrong = [];
  for (const [name, digest] of expected) {
    if (!found.has(name) && digest !== null) wrong.push(`${name} is missing afterwards`);
    else if (digest !== null && found.get(name) !== digest) wrong.push(`${name} differs afterwards`);
  }
  return wrong;
}

/** What is wrong with an error's message. */
function messageFaults(stderr, { call, file, error }) {
  const text = stderr.trimEnd().split('\n').slice(-4).join('\n');
  const wrong = [];
  const [, code] = /(?:^|\n)(?:\S+: )?([A-Z_]{2,}): /.exec(text) ?? [];
  // Where there is no room to remove something, the disk is not full.
  const expected = error === 'ENOSPC' && call !== 'unlink' ? 'DISK_FULL' : 'IO';
  if (code !== expected) wrong.push(`expected ${expected}: ${text}`);
  const named = file.split('/').filter(Boolean);
  if (!named.some((part) => text.includes(part)) && !text.includes(out))
    wrong.push(`does not name ${file}: ${text}`);
  const words = text.replaceAll(/\S*\/\S*/g, '');
  if (!/\b(run (it|the (same )?command) again|free space|choose another)\b/i.test(words))
    wrong.push(`does not say what to do: ${text}`);
  return { code, wrong };
}

async function runCase({ command, call, file, error, n = 1 }, expected) {
  fresh(command);
  writeFileSync(log, '');
  // The part of the path that a temporary file has in common with its final one.
  const part =
    file === ''
      ? '/out'
      : file
          .split('/')
          .slice(-1)[0]
          .replace(/\.old$/, '')
          .replace(/^claim$/, 'claim-');
  setFault(`${call}|${part}|${n}|${constants.errno[error]}|0`);
  const { code, stderr } = await run(command, 'args');
  setFault('');
  if (!readFileSync(log, 'utf8').includes('fault\t')) return { outcome: 'not reached', wrong: [] };
  if (code === 0) return { outcome: 'done', wrong: differences(expected) };
  const said = messageFaults(stderr, { call, file, error });
  const wrong = [...said.wrong, ...(code === 1 ? [] : [`exit code ${code}`])];
  const keepsLeftovers = call === 'unlink' || call === 'any';
  wrong.push(...(await halfWritten(expected, keepsLeftovers)));
  // As if the process, which they name, had ended.
  if (keepsLeftovers) for (const name of filesBelow(out).filter(isClaim)) rmSync(join(out, name));
  const resumed = command !== 'train' || existsSync(join(out, 'run/config.json'));
  const again = await run(command, resumed ? 'again' : 'args');
  if (again.code !== 0) wrong.push(`does not go on: ${again.stderr.trimEnd()}`);
  else wrong.push(...differences(expected));
  return { outcome: said.code ?? 'no code', wrong };
}

for (const command of wanted.commands ?? Object.keys(commands)) {
  const { expected, calls } = await undisturbed(command);
  const cases = calls
    .filter(({ call }) => call in errorsOf && (wanted.calls ?? [call]).includes(call))
    .flatMap((each) => errorsOf[each.call].map((error) => ({ ...each, command, error })))
    .filter(({ error }) => (wanted.errors ?? all).includes(error));
  // An odd step, so that all errors come.
  const step = wanted.most === undefined ? 1 : Math.ceil(cases.length / wanted.most) | 1;
  for (const each of cases.filter((_, i) => i % step === 0))
    console.log(JSON.stringify({ ...each, ...(await runCase(each, expected)) }));
}
process.exit(0);
