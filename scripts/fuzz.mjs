// Fuzzes the readers of files: builds the targets of test/fuzz/cpp with clang's libFuzzer, AddressSanitizer and
// UndefinedBehaviorSanitizer, and runs them and those of test/fuzz/js (after `npx tsc -p .`), as many at a time as there are cores.
//   node scripts/fuzz.mjs [TARGET…] [--seconds N] [--jobs N] [--seed N]
// --seconds: of each target (default 20). Prints inputs, seconds and findings of each. Inputs that are findings go to build/fuzz/found,
// what libFuzzer learned to build/fuzz/corpus, where the next run continues.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { usableCores } from '../dist/native/cores.js';
import { targets as readers } from '../test/fuzz/js/targets.mjs';
import { findLibtorchOrNone, root } from './native-build.mjs';

/** Targets in C++, with the folder of the tests that they start from besides their seeds. */
const compiled = {
  zip: ['test/fixtures/checkpoints'],
  'safetensors-header': [],
  checkpoint: ['test/fixtures/checkpoints'],
  pickle: [],
  network: [],
  'network-code': [],
  'polygon-raster': [],
  records: [],
};
const names = [...Object.keys(compiled), ...Object.keys(readers)];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    jobs: { type: 'string', default: String(usableCores()) },
    seed: { type: 'string', default: '1' },
  },
});
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`Unknown target ${unknown.join(', ')}. The targets are ${names.join(', ')}.`);
  process.exit(2);
}
const chosen = positionals.length > 0 ? positionals : names;
const folder = join(root, 'build/fuzz');

/** Runs a program. @returns its exit code or signal, and what it printed */
function run(command, args, env = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => parts.push(part));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: error.message, output: '' }));
    child.on('close', (code, signal) =>
      resolve({ code: code ?? signal, output: Buffer.concat(parts).toString('utf8') }),
    );
  });
}

async function build() {
  const { root: libtorch } = (await findLibtorchOrNone()) ?? {};
  if (!libtorch)
    throw new Error('There is no libtorch to link the targets with: npx dinov3-seg libtorch install');
  const configure = [
    '-S',
    'test/fuzz',
    '-B',
    folder,
    '-DCMAKE_CXX_COMPILER=clang++',
    `-DLIBTORCH=${libtorch}`,
  ];
  for (const args of [configure, ['--build', folder, '--parallel', values.jobs]]) {
    const { code, output } = await run('cmake', args);
    if (code === 0) continue;
    throw new Error(
      `${output}\nThe targets were not built (cmake ${args.join(' ')}: ${code}). On Debian: apt-get install clang libclang-rt-dev`,
    );
  }
}

async function runCompiled(name) {
  const corpus = join(folder, 'corpus', name);
  const found = join(folder, 'found', name);
  for (const each of [corpus, found]) mkdirSync(each, { recursive: true });
  const starts = [`test/fuzz/seeds/${name}`, `test/fuzz/found/${name}`, ...compiled[name]].filter((path) =>
    existsSync(join(root, path)),
  );
  const dictionary = join(root, 'test/fuzz/dictionaries', name);
  const { code, output } = await run(
    join(folder, 'targets', name),
    [
      ...(existsSync(dictionary) ? [`-dict=${dictionary}`] : []),
      ...[
        `-max_total_time=${values.seconds}`,
        `-seed=${values.seed}`,
        '-max_len=4096',
        '-print_final_stats=1',
      ],
      // Generous: other work may hold the processor.
      ...['-timeout=120', '-rss_limit_mb=3000', `-artifact_prefix=${found}/`, corpus, ...starts],
    ],
    // libtorch is not compiled with these checks, and its containers lack the marks that one of them needs. Code that it could not
    // compile stays in memory.
    {
      ASAN_OPTIONS: `detect_container_overflow=0:detect_leaks=${name.startsWith('network') ? 0 : 1}`,
      OMP_NUM_THREADS: '1',
    },
  );
  const log = join(folder, `${name}.log`);
  writeFileSync(log, output);
  const inputs = Number(/number_of_executed_units: (\d+)/.exec(output)?.[1] ?? 0);
  const reason = /finding: .*|runtime error: .*|SUMMARY: .*/.exec(output)?.[0] ?? `ended with ${code}`;
  const path = /Test unit written to (\S+)/.exec(output)?.[1] ?? log;
  return { inputs, findings: code === 0 ? [] : [{ path, fault: reason }] };
}

async function runReader(name) {
  const { code, output } = await run(process.execPath, [
    ...['test/fuzz/js/run-target.mjs', name, '--seconds', values.seconds, '--seed', values.seed],
    ...['--found', join(folder, 'found')],
  ]);
  try {
    return JSON.parse(output.trimEnd().split('\n').at(-1));
  } catch {
    // Not a finding of a reader: the process itself ended.
    return { inputs: 0, findings: [{ path: 'no input', fault: `ended with ${code}: ${output}` }] };
  }
}

if (chosen.some((name) => name in compiled)) await build();
console.log(`${'target'.padEnd(20)}${'inputs'.padStart(12)}${'seconds'.padStart(10)}  findings`);
let inputs = 0;
let failed = 0;

async function runTarget(name) {
  const began = performance.now();
  const result = await (name in compiled ? runCompiled(name) : runReader(name));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  inputs += result.inputs;
  // A target that read nothing has found nothing out.
  const findings =
    result.inputs > 0 || result.findings.length > 0
      ? result.findings
      : [{ path: 'none', fault: 'it read no input' }];
  if (findings.length > 0) failed++;
  console.log(
    `${name.padEnd(20)}${String(result.inputs).padStart(12)}${seconds.padStart(10)}  ${findings.length}`,
  );
  for (const { path, fault } of findings) console.log(`  ${path}\n    ${fault.replaceAll('\n', '\n    ')}`);
}

const waiting = [...chosen];
const lanes = Array.from({ length: Math.max(1, Number(values.jobs)) }, async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await runTarget(name);
});
await Promise.all(lanes);
console.log(`${inputs} inputs: ${chosen.length - failed} targets passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
