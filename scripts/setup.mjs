// The whole setup. Each step runs only if it is needed: packages and TypeScript (in a clone), libtorch, the native addon, and a
// test that it loads. Output of npm, pip and compilers goes to .tmp/setup.log. An interrupted setup continues where it stopped.
//   node scripts/setup.mjs [addon]     `addon`: builds the addon even if it is up to date
//   CMAKE_BUILD_PARALLEL_LEVEL         number of parallel compilers; default: by processors and free memory
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buildAddon, findLibtorchOrNone, isBuilt, root, say } from './native-build.mjs';
import { CommandError, Log, runLogged, Stopped } from './setup/commands.mjs';
import { compileTypeScript, hasPackages, installPackages, isCompiled } from './setup/clone.mjs';
import { StepPrinter } from './setup/steps.mjs';

const log = new Log(join(root, '.tmp/setup.log'));
const controller = new AbortController();
const { signal } = controller;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(name, () => controller.abort(new Stopped(name)));
const runIn = (command, args, options) => runLogged(command, args, { cwd: root, log, signal, ...options });

const isClone = existsSync(join(root, 'lib'));
const steps = [...(isClone ? [packages, typeScript] : []), ...[installLibtorch, addon, check]];
const printer = new StepPrinter(steps.length);
let libtorch;
let isNew = false;

/** Runs a step that is needed, and prints one line when it ends. */
async function step(number, name, doing, work) {
  printer.start(number, name, doing);
  log.write(`\n== ${name}`);
  try {
    printer.end(await work((text) => printer.update(text)));
  } catch (error) {
    printer.end(signal.aborted ? 'stopped' : 'failed');
    throw error;
  }
}

async function packages(number) {
  if (hasPackages()) return;
  await step(number, 'packages', 'installing', async () => `${await installPackages(runIn)} installed`);
}

async function typeScript(number) {
  if (isCompiled()) return;
  await step(number, 'TypeScript', 'compiling', async () => {
    await compileTypeScript(runIn);
    return 'compiled';
  });
}

async function installLibtorch(number) {
  libtorch = await findLibtorchOrNone();
  if (libtorch) return;
  const { installLibtorch: install } = await import('../dist/native/libtorch/install-libtorch.js');
  await step(number, 'libtorch', 'searching', async (update) => {
    const result = await install({
      signal,
      onProgress: ({ message, output, doneBytes, totalBytes }) => {
        if (output !== undefined) log.write(output);
        const share = doneBytes && totalBytes ? `, ${Math.floor((100 * doneBytes) / totalBytes)} %` : '';
        update(`${message}${share}`);
      },
    });
    libtorch = await findLibtorchOrNone();
    isNew = true;
    return `${result.version} (${result.build}) installed in ${result.root}`;
  });
}

async function addon(number) {
  if (process.argv[2] !== 'addon' && isBuilt(libtorch)) return;
  await step(number, 'addon', 'configuring', async (update) => {
    const leftOut = await buildAddon(libtorch, { runIn, onProgress: update });
    isNew = true;
    return [`built for libtorch ${libtorch.version}`, ...leftOut.map((what) => `without ${what}`)].join(', ');
  });
}

async function check(number) {
  if (!isNew) return;
  await step(number, 'check', 'loading the addon', async () => {
    const { runProbe } = await import('../dist/native/doctor/run-probe.js');
    const { steps: done, broken } = await runProbe(['libtorch', libtorch.root], 600);
    signal.throwIfAborted();
    for (const { name, state, detail } of done) log.write(`${name}: ${state} ${detail ?? ''}`);
    if (broken)
      throw new CommandError(`The addon ${broken.problem} (${broken.during})`, broken.output.split('\n'));
    const failed = done.find(({ state }) => state === 'failed');
    if (failed) throw new CommandError(`The addon does not work (${failed.name})`, failed.detail.split('\n'));
    return 'the addon works';
  });
}

function explain(error) {
  log.write(error.stack);
  for (const line of error.lines ?? []) process.stderr.write(`  ${line}\n`);
  say(error.message);
  if (error.lines?.some((line) => line.includes('Killed signal')))
    say('the system killed the compiler, probably because memory ran out: try CMAKE_BUILD_PARALLEL_LEVEL=1');
  say(`the full output is in ${relative(process.cwd(), log.path)}`);
}

try {
  for (const [index, work] of steps.entries()) await work(index + 1);
} catch (error) {
  if (!signal.aborted) {
    explain(error);
    process.exit(1);
  }
  say('stopped; the next run continues from here');
  process.exit(signal.reason.exitCode);
}
