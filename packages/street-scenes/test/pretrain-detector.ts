/** scripts/pretrain-detector.mjs as it is run, at the smallest size, and how it judges boxes. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { DetectionModel } from '../../../lib/model/detection-model.js';
import { inspect } from '../../../lib/model/convert.js';
import { runScript } from '../../../test/helpers/command-line.js';

const scripts = resolve(import.meta.dirname, '../scripts');

const run = (...args: string[]) =>
  runScript(join(scripts, 'pretrain-detector.mjs'), '--threads', '1', ...args);

const settings = (folder: string, ...changes: string[]) => [
  ...['--out', join(folder, 'run'), '--scene-folder', join(folder, 'scenes'), '--image-size', '112'],
  ...['--steps', '3', '--batch-size', '2', '--scenes', '70', '--width', '64', '--height', '48'],
  ...['--warmup', '1', '--eval-scenes', '2', '--print-every', '1', ...changes],
];

t.test('on the shipped backbone it draws, trains, measures and writes a head with its card', async (t) => {
  const folder = t.testdir();
  const stopped = await run(...settings(folder, '--time-limit', '0'));
  t.match(stopped, /stopped at step 0: the same command continues/);
  const secondsSoFar = () =>
    (JSON.parse(readFileSync(join(folder, 'run/settings.json'), 'utf8')) as { seconds: number }).seconds;
  const first = secondsSoFar();
  t.ok(first > 0);
  const output = await run(...settings(folder));
  t.match(output, /continuing from step 0/);
  const own = Number(/([\d.]+) s {2}step 3: held-out/.exec(output)![1]);
  t.ok(
    secondsSoFar() > first && secondsSoFar() < first + own + 0.05,
    'the time of both sittings, before the scenes are judged',
  );
  t.match(output, /step 3\/3 {2}loss [\d.]+ \(classes [\d.]+, l1 [\d.]+, giou [\d.]+\)/);
  t.match(output, /step 3: held-out AP50 [\d.]+ %; at 0.5 recall [\d.]+ %/);
  t.notOk(existsSync(join(folder, 'scenes')), 'the scenes are gone');
  const network = join(folder, 'run/network');
  using detector = await DetectionModel.load(join(network, 'detector.pt'));
  t.match(detector, { classes: 91, queries: 100 });
  const head = await inspect(join(network, 'detector-head.safetensors'));
  t.match(head, { metadata: { steps: '3', license: 'Apache-2.0', origin: /pretrain-detector/ } });
  t.ok(head.totalBytes < 2.3e6, `${head.totalBytes} bytes`);
  t.match(readFileSync(join(network, 'detector.md'), 'utf8'), /AP50 is [\d.]+ %[^]*\| person \|/);
  await t.rejects(run(...settings(folder, '--backbone', 'other')), { message: /FILE_NOT_FOUND|other/ });
});

t.test('boxes and counts are judged by class', async (t) => {
  const { judgeBoxes } = (await import(join(scripts, 'pretrain/boxes.mjs'))) as {
    judgeBoxes: (scenes: unknown[]) => Record<string, unknown>;
  };
  const person = { id: 1, box: [10, 10, 20, 30] };
  const far = { id: 1, box: [50, 10, 60, 30] };
  const found = (x: number, score: number, label = 1) => ({ x, y: 10, width: 10, height: 20, score, label });
  // Two persons; the second scene has none, and a bus, which is not counted.
  const judged = judgeBoxes([
    { objects: [person, far], found: [found(10, 0.9), found(11, 0.7), found(52, 0.45), found(10, 0.4, 3)] },
    { objects: [{ ...far, id: 6 }], found: [found(10, 0.6), found(50, 0.3, 6)] },
  ]);
  t.match(judged, { scenes: 2 });
  const [half, low] = [0.5, 0.4].map((threshold) =>
    (judged['thresholds'] as { threshold: number }[]).find((row) => row.threshold === threshold),
  );
  t.same(half, { threshold: 0.5, recall: 0.5, precision: 1 / 3, countError: 0.05 });
  t.same(low, { threshold: 0.4, recall: 1, precision: 0.4, countError: 0.15 });
  const own = (judged['classes'] as { name: string; ap50: number }[]).find(({ name }) => name === 'person');
  t.match(own, { objects: 2, ap50: 0.5 + 0.5 * 0.5, recall: 0.5, meanError: 1 });
  t.equal(judged['ap50'], 0.75);
});
