/** No exception leaves a callback, finaliser, hook or initialiser, whatever an environment is doing when it ends. */
import { join } from 'node:path';
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { startProgram } from '../helpers/command-line.js';

const script = join(import.meta.dirname, '../helpers/ending-workers.mjs');

t.test(
  'threads that are terminated at any moment of loading the addons leave the process alive',
  async (t) => {
    const terminated = join(import.meta.dirname, '../helpers/terminated-workers.mjs');
    const { stdout, stderr, code, signal } = await startProgram(process.execPath, [terminated, '300']).ended;
    t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    const { loading, loaded } = JSON.parse(stdout) as { loading: number; loaded: number };
    t.equal(loading + loaded, 300);
    t.ok(loading > 0, `${loading} before they had loaded`);
  },
);

/** Exit code of the worker of each case: 7 where the case ended it, 8 where it asked nothing of JavaScript. */
async function endWorkers(cases: string[]): Promise<Record<string, string>> {
  const { stdout, stderr, code, signal } = await startProgram(process.execPath, [script, ...cases], {}).ended;
  t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, 'the process lives');
  return Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
}

t.test(
  'every function of the engine survives an environment that ends as it reads its arguments',
  async (t) => {
    const names = Object.keys(engine()).filter((name) => name !== 'stopJobs');
    const ended = await endWorkers(['calls']);
    t.equal(Object.keys(ended).length, names.length, `${names.length} functions`);
    const untouched = Object.entries(ended).filter(([, code]) => code !== '7' && code !== '8');
    t.same(untouched, [], 'each worker ended, or was refused its arguments');
    t.ok(
      Object.values(ended).filter((code) => code === '7').length > 10,
      'many ended in the middle of a call',
    );
  },
);

t.test('so do errors, results, reports, initialisers and what was never disposed of', async (t) => {
  const progress = `progress:${join(t.testdir(), 'a.safetensors')}`;
  const functions = ['tensor', 'inspect', 'loadModel', 'createHeads', 'memoryStats', 'prepareImages'];
  const cases = [
    ...functions.map((name) => `error:${name}`),
    ...['initialise:loader', 'initialise:engine', 'settle', 'reject', progress, 'held'],
  ];
  const ended = await endWorkers(cases);
  for (const name of cases) t.equal(ended[name], '7', name);
});
