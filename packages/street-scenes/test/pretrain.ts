/** scripts/pretrain.mjs as it is run, at the smallest size. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { SegmentationModel } from '../../../lib/model/segmentation-model.js';
import { inspect } from '../../../lib/model/convert.js';
import { runScript } from '../../../test/helpers/command-line.js';

const script = resolve(import.meta.dirname, '../scripts/pretrain.mjs');

const run = (...args: string[]) => runScript(script, '--threads', '1', ...args);

const settings = (folder: string, ...changes: string[]) => [
  ...['--out', join(folder, 'run'), '--scene-folder', join(folder, 'scenes'), '--arch', 'tiny'],
  ...['--steps', '3', '--batch-size', '2', '--scenes', '70', '--image-size', '64', '--width', '64'],
  ...['--height', '48', '--warmup', '1', '--eval-scenes', '2', '--print-every', '1', ...changes],
];

t.test(
  'it draws, trains, measures and writes a network with its card, and continues after a stop',
  async (t) => {
    const folder = t.testdir();
    const stopped = await run(...settings(folder, '--time-limit', '0'));
    t.match(stopped, /stopped at step 0: the same command continues/);
    const output = await run(...settings(folder));
    t.match(output, /continuing from step 0/);
    t.match(output, /step 3\/3 {2}loss [\d.]+ .* lr [\d.e-]+ {2}[\d.]+ steps\/s/);
    t.match(output, /step 3: held-out ADE mIoU [\d.]+ %/);
    t.notOk(existsSync(join(folder, 'scenes')), 'the scenes are gone');
    const network = join(folder, 'run/network');
    using model = await SegmentationModel.load(join(network, 'model.pt'));
    t.equal(model.classes, 151);
    t.match(await inspect(join(network, 'head.safetensors')), {
      metadata: { steps: '3', license: 'Apache-2.0', origin: /synthetic/ },
    });
    t.match(readFileSync(join(network, 'README.md'), 'utf8'), /no photograph[^]*mIoU [\d.]+ %/);
  },
);

t.test('it refuses other settings for a run that is there, and numbers that are none', async (t) => {
  const folder = t.testdir();
  await run(...settings(folder, '--scenes', '3', '--time-limit', '0'));
  await t.rejects(run(...settings(folder, '--scenes', '3', '--seed', '9')), { message: /--seed 1, not 9/ });
  await t.rejects(run('--out', folder, '--steps', 'many'), { message: /--steps should be a number/ });
  await t.rejects(run(), { message: /--out DIR is missing/ });
});
