import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { writeShippedScenes } from '../../lib/demo/shipped-scenes.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { train } from '../../lib/train/loop.js';
import type { RunDescription } from '../../lib/train/run-folder.js';
import { writeFormulaModel } from '../helpers/network.js';
import { readMetrics, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = { ...(await tinySettings(root)), epochs: 1 };
const out = join(root, 'run');
const result = await train({ ...settings, out });

t.test('the result names the best epoch', async (t) => {
  t.match(result, { out, epochs: 1, stoppedEarly: false, best: { epoch: 1 } });
});

t.test('the best head carries its classes, epoch, mIoU, network and image size', async (t) => {
  using head = await ClassHead.load(join(out, 'best.safetensors'));
  const { modelId } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as RunDescription;
  t.match(head.metadata, {
    epoch: 1,
    mIoU: result.best!.mIoU,
    modelId,
    imageSize: 64,
    precision: 'bfloat16',
  });
  t.equal(head.classSet?.name, 'idd26');
  t.equal(head.classSet?.classes[25]?.name, 'sky');
});

t.test('a folder that holds a run is not written over', async (t) => {
  await t.rejects(train({ ...settings, out }), { code: 'RUN', message: /already contains a run.*--resume/ });
});

t.test('there must be a run to resume', async (t) => {
  const nothing = join(root, 'nothing');
  await t.rejects(train({ out: nothing }, { resume: true }), { code: 'RUN', message: /no run to resume/ });
});

t.test('a run does not go on with other settings, and says which', async (t) => {
  const changed = train({ out, epochs: 2, learningRate: 1e-3 }, { resume: true });
  await t.rejects(changed, { code: 'RUN', message: /epochs: 1 → 2\n {2}learningRate: 0\.002 → 0\.001/ });
});

t.test('a run does not go on with another network or other data', async (t) => {
  const folder = t.testdir();
  const model = await writeFormulaModel(folder, 'seg-mlp');
  const data = join(folder, 'data');
  await writeShippedScenes(data, 'data', { train: 9, val: 2 });
  await t.rejects(train({ out, data }, { resume: true }), {
    code: 'RUN',
    message: /data: 10 \+ 2 images → 9 \+ 2/,
  });
  await t.rejects(train({ out, model }, { resume: true }), { code: 'RUN', message: /another network/ });
});

t.test('lines of epochs after the saved state are cut on resume', async (t) => {
  await appendFile(join(out, 'metrics.jsonl'), '{"epoch": 2, "trainLoss"');
  await train({ out }, { resume: true });
  t.equal(readMetrics(out).length, 1);
});

t.test('a damaged config.json is refused', async (t) => {
  const folder = t.testdir({ 'config.json': '{"config": {}}' });
  await t.rejects(train({ out: folder }, { resume: true }), {
    code: 'RUN',
    message: /damaged or from another release: "package" is missing\. Start another run/,
  });
});

t.test('a last.safetensors that says nothing about the run is refused', async (t) => {
  const folder = t.testdir();
  await writeFile(join(folder, 'config.json'), await readFile(join(out, 'config.json')));
  await writeFile(join(folder, 'last.safetensors'), await readFile(join(out, 'best.safetensors')));
  await t.rejects(train({ out: folder }, { resume: true }), {
    code: 'RUN',
    message: /contains no position of a run/,
  });
});

t.test('training stops early when the mIoU does not rise', async (t) => {
  const stopped = join(root, 'patience');
  const given = { ...settings, out: stopped, epochs: 6, patience: 1, learningRate: 1e-12 };
  const { epochs, stoppedEarly, best } = await train(given);
  t.ok(stoppedEarly);
  t.equal(epochs, best!.epoch + 1);
  await rm(stopped, { recursive: true });
});
