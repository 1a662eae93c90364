import { join, resolve } from 'node:path';
import t from 'tap';
import { startProgram } from '../helpers/command-line.js';
import { exampleSize, writeExampleFiles } from '../helpers/example-files.js';

const examples = resolve(import.meta.dirname, '../../examples');
const folder = t.testdir();
const files = await writeExampleFiles(folder);
const absent = join(folder, 'absent.png');
const expected = files.direct.map(({ shares }) =>
  shares.map(({ name, percent }) => `${name}: ${percent.toFixed(2)} %\n`).join(''),
);

const run = (script: string, args: string[]) =>
  startProgram(process.execPath, [join(examples, script), ...args]).ended;

for (const script of ['esm.mjs', 'commonjs.cjs'])
  t.test(`${script} prints the percentages of segment()`, async (t) => {
    const { code, stdout, stderr } = await run(script, [files.model, files.head, files.scenes[0]!]);
    t.equal(code, 0, stderr);
    t.equal(stdout, expected[0]);
    t.ok(files.direct[0]!.shares.length > 1, 'the scene has several classes');

    const usage = await run(script, [files.model]);
    t.equal(usage.code, 2);
    t.match(usage.stderr, /usage: node/);
  });

t.test('commonjs.cjs knows the package’s errors by their code', async (t) => {
  const { code, stderr } = await run('commonjs.cjs', [files.model, files.head, absent]);
  t.equal(code, 1);
  t.match(stderr, /^FILE_NOT_FOUND: .*absent\.png does not exist/);
});

interface Line {
  image: string;
  width?: number;
  height?: number;
  percent?: Record<string, number>;
  error?: { code: string; message: string };
}

t.test('worker-pool.mjs segments every image in its workers and ends', async (t) => {
  const images = [...files.scenes, absent, ...files.scenes, files.scenes[0]!];
  const { code, stdout, stderr } = await run('worker-pool.mjs', [files.model, files.head, '2', ...images]);
  t.equal(code, 1, 'because one image is absent');
  t.equal(stderr, '');
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  t.same(lines.map(({ image }) => image).sort(), [...images].sort());
  for (const { image, width, height, percent, error } of lines) {
    if (image === absent) {
      t.match(error, { code: 'FILE_NOT_FOUND', message: /absent\.png does not exist/ });
      continue;
    }
    const { shares } = files.direct[files.scenes.indexOf(image)]!;
    t.same({ width, height }, exampleSize);
    t.same(percent, Object.fromEntries(shares.map(({ name, percent }) => [name, percent])));
  }
});

t.test('worker-pool.mjs says so when no worker can start', async (t) => {
  const { code, stdout, stderr } = await run('worker-pool.mjs', [absent, files.head, '2', ...files.scenes]);
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(stderr, /2 images were not segmented: .*absent\.png/);
});

t.test('worker-pool.mjs finishes what runs after Ctrl-C, and begins nothing more', async (t) => {
  const images = Array.from({ length: 400 }, (_, i) => files.scenes[i % 2]!);
  const script = join(examples, 'worker-pool.mjs');
  const { child, ended } = startProgram(process.execPath, [script, files.model, files.head, '2', ...images]);
  child.stdout!.once('data', () => child.kill('SIGINT'));
  const { code, stdout, stderr } = await ended;
  const done = stdout.trimEnd().split('\n').length;
  t.equal(code, 1);
  t.ok(done >= 1 && done < images.length, `${done} of ${images.length} were done`);
  t.match(stderr, new RegExp(`^${images.length - done} images were not segmented: the pool was closed`));
});
