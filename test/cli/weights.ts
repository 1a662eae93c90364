/** Commands with weights that are streamed write the same as with all of them on the device. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeShippedScenes } from '../../lib/demo/shipped-scenes.js';
import { initModel } from '../../lib/model/init-model.js';
import { runCommand } from '../helpers/command-line.js';

const root = t.testdir();
const at = (...names: string[]) => join(root, ...names);
await initModel({ arch: 'tiny', seed: 1, dtype: 'bfloat16', out: at('seg.pt') });
await initModel({ arch: 'tiny-detector', seed: 1, dtype: 'bfloat16', out: at('det.pt') });
await writeShippedScenes(at('data'), 'data', { train: 4, val: 2 });
const scenes = at('data/leftImg8bit/val');
const place = ['--model', at('seg.pt'), '--device', 'cpu', '--image-size', '64'];
const ways = ['resident', 'stream'] as const;

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await runCommand(args);
  if (code !== 0) throw new Error(`${args[0]} ended with exit code ${code}: ${stderr}`);
  return { stdout, stderr };
}

/** Files below a folder that are not about the time or the settings. */
function contents(folder: string, suffix: RegExp): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    suffix.test(name),
  );
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), 'latin1')]));
}

t.test('features, with a detector', async (t) => {
  const more = ['--detector', at('det.pt'), '--detector-size', '96', '--threshold', '0.3'];
  const said: string[] = [];
  for (const way of ways) {
    const output = ['--output', at(`${way}.csv`)];
    said.push((await run('features', scenes, ...place, ...more, ...output, '--weights', way)).stderr);
  }
  t.equal(readFileSync(at('stream.csv'), 'utf8'), readFileSync(at('resident.csv'), 'utf8'));
  t.match(said[1], /Streaming 4 of 4 blocks \(0\.0 GB a pass\); 1 image a pass/);
  t.notMatch(said[0], /Streaming/);
  const again = await run('features', scenes, ...place, ...more, '--output', at('stream.csv'));
  t.match(again.stderr, /2 of 2 images were already done/, 'a table goes on with the other way');
});

t.test('predict and eval', async (t) => {
  for (const way of ways) {
    const output = ['--output', at(`predicted-${way}`), '--no-report'];
    const { stderr } = await run(
      'predict',
      scenes,
      ...place,
      ...output,
      '--weights',
      way,
      '--classes',
      'ade150',
    );
    t.equal(/Streaming 4 of 4 blocks/.test(stderr), way === 'stream');
  }
  const [resident, streamed] = ways.map((way) => contents(at(`predicted-${way}`), /png$|json$/));
  t.ok(Object.keys(resident!).length > 2);
  t.same(streamed, resident);
});

for (const mode of ['cached', 'live'])
  t.test(`train, ${mode}`, async (t) => {
    for (const way of ways) {
      const settings = ['--mode', mode, '--epochs', '2', '--weights', way, '--batch-size', '2'];
      const cache = mode === 'cached' ? ['--cache', at(`cache-${way}`)] : [];
      const files = ['--data', at('data'), '--out', at(`${mode}-${way}`)];
      const { stderr } = await run('train', ...place, ...files, ...settings, ...cache);
      t.equal(/Streaming 4 of 4 blocks/.test(stderr), way === 'stream', way);
    }
    const losses = (way: string) =>
      readFileSync(at(`${mode}-${way}`, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, number>)
        .map(({ trainLoss, valLoss, mIoU }) => ({ trainLoss, valLoss, mIoU }));
    t.equal(losses('stream').length, 2);
    t.same(losses('stream'), losses('resident'));
  });

t.test('a cap on GPU memory is refused on the CPU, and where it is no size', async (t) => {
  for (const [size, message] of [
    ['8GB', /cap on GPU memory was given for the device cpu/],
    ['8', /gpuMemory|--gpu-memory/],
  ] as const) {
    const ended = await runCommand(['predict', scenes, ...place, '--output', at('p'), '--gpu-memory', size]);
    t.not(ended.code, 0);
    t.match(ended.stderr, message);
  }
  const data = ['--data', at('data'), '--out', at('capped')];
  const trained = await runCommand(['train', ...place, ...data, '--gpu-memory', '8GB']);
  t.match(trained.stderr, /cap on GPU memory was given for the device cpu/);
});
