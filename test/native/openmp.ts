import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { DinoSegError } from '../../lib/errors.js';
import { init } from '../../lib/native/engine.js';
import { openMpSettings } from '../../lib/native/openmp.js';

const dist = join(import.meta.dirname, '../../dist');

/** Runs a module of its own process, whose environment variables are these; its JSON output, with what it said on stderr. */
function run(source: string, env: Record<string, string>): { result: unknown; stderr: string } {
  const program = `const { engine, init } = await import('${dist}/native/engine.js'); ${source}`;
  const { OMP_NUM_THREADS: _threads, ...rest } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...rest, ...env },
    encoding: 'utf8',
  });
  return { result: JSON.parse(stdout), stderr };
}

t.test('threads wait asleep, and follow a quota that is below the processors', async (t) => {
  t.same(openMpSettings({}, 8, 8), { defaults: { OMP_WAIT_POLICY: 'PASSIVE' }, refused: {} });
  t.same(openMpSettings({}, 3, 64).defaults, { OMP_WAIT_POLICY: 'PASSIVE', OMP_NUM_THREADS: '3' });
});

t.test("the quota is this process's own", async (t) => {
  const mocked = await t.mockImport<{ openMpSettings: typeof openMpSettings }>('../../lib/native/openmp.js', {
    '../../lib/native/cores.js': { usableCores: () => 3 },
  });
  t.match(mocked.openMpSettings({}, undefined, 64).defaults, { OMP_NUM_THREADS: '3' });
});

t.test('OpenMP itself is told, by the first call and by preload()', async (t) => {
  for (const first of ['', `await (await import('${dist}/native/engine.js')).preload();`]) {
    const { stderr } = run(`${first} engine(); console.log('null');`, { OMP_DISPLAY_ENV: 'verbose' });
    // OMP_WAIT_POLICY itself is shown as PASSIVE either way.
    t.match(stderr, "GOMP_SPINCOUNT = '0'", first);
  }
});

t.test('a value that OpenMP would refuse is named', async (t) => {
  const refused = (environment: Record<string, string>) =>
    Object.keys(openMpSettings(environment, 2, 2).refused);
  t.same(refused({ OMP_NUM_THREADS: 'many', OMP_WAIT_POLICY: 'lazy' }), [
    'OMP_NUM_THREADS',
    'OMP_WAIT_POLICY',
  ]);
  t.same(refused({ OMP_NUM_THREADS: '0' }), ['OMP_NUM_THREADS']);
  t.same(refused({ OMP_NUM_THREADS: ' 4,2 ', OMP_WAIT_POLICY: 'active' }), []);
});

t.test('what the user set is kept, and child processes inherit nothing', async (t) => {
  const source = `engine();
    const { execFileSync } = await import('node:child_process');
    const child = execFileSync(process.execPath, ['-p', 'process.env.OMP_WAIT_POLICY ?? "none"'], { encoding: 'utf8' });
    console.log(JSON.stringify([engine().info().threads, process.env.OMP_WAIT_POLICY ?? 'none', child.trim()]));`;
  t.same(run(source, { OMP_NUM_THREADS: '1' }), { result: [1, 'none', 'none'], stderr: '' });
  t.same(run(source, { OMP_NUM_THREADS: '1', OMP_WAIT_POLICY: 'ACTIVE' }).result, [1, 'ACTIVE', 'ACTIVE']);
});

t.test('init({ threads }) wins over the environment, before loading and after it', async (t) => {
  const source = `init({ threads: 2 });
    const before = engine().info().threads;
    init({ threads: 5 });
    const tensor = engine().tensor(new Float32Array(4), [4]);
    await engine().tensorData(tensor);
    console.log(JSON.stringify([before, engine().info().threads]));`;
  t.same(run(source, { OMP_NUM_THREADS: '1' }), { result: [2, 5], stderr: '' });
  for (const threads of [0, 1.5, 2000, NaN])
    t.throws(
      () => init({ threads }),
      new DinoSegError(
        'INVALID_ARGUMENT',
        `threads should be a whole number from 1 to 1024, not ${threads}.`,
      ),
    );
});

t.test('a wrong variable gets a warning of ours, and OpenMP never sees it', async (t) => {
  const { result, stderr } = run('console.log(JSON.stringify(engine().info().threads > 0));', {
    OMP_NUM_THREADS: 'many',
  });
  t.equal(result, true);
  t.match(stderr, /^\(node:\d+\) DinoSegWarning: OMP_NUM_THREADS=many is not a valid value for OpenMP/);
  t.notMatch(stderr, /libgomp/);
});
