import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

const dist = join(import.meta.dirname, '../../dist');

function run(source: string, env: Record<string, string> = {}): unknown {
  const program = `const { init, preload, Tensor } = await import('${dist}/index.js'); ${source}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  t.equal(stderr, '');
  return JSON.parse(stdout);
}

t.test('preload() loads libtorch while the event loop turns, and may be called again', async (t) => {
  const turns = run(`
    let turns = 0;
    let done = false;
    const turn = () => { turns++; if (!done) setImmediate(turn); };
    turn();
    const before = turns;
    await Promise.all([preload(), preload()]);
    const during = turns - before;
    done = true;
    await preload();
    Tensor.from(new Float32Array(1), [1]).dispose();
    console.log(JSON.stringify(during));`);
  t.ok((turns as number) > 1, `${String(turns)} turns of the event loop`);
});

t.test('a libtorch that does not load rejects, as the first call would throw', async (t) => {
  const lib = { 'libtorch.so': 'no library', 'libtorch_cpu.so': '', 'libc10.so': '' };
  const folder = t.testdir({ lib, 'build-version': '2.13.0+cpu' });
  const code = run(`init({ libtorch: ${JSON.stringify(folder)} });
    console.log(JSON.stringify(await preload().catch((error) => error.code)));`);
  t.equal(code, 'LIBTORCH_UNSUPPORTED');
});
