// Trains the small network that ships with the package, on street scenes that it draws itself.
//   node scripts/pretrain.mjs --out DIR [--device cuda] [--steps N] [--batch-size N] [--scenes N] [--seed N] [--time-limit S]
// Needs the built package (`npm run build:ts`, the addon) and nothing else. Stopped or out of time it goes on where it was when
// the same command is given again. docs/pretrained.md tells what comes of it.
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { convert } from '../dist/model/convert.js';
import { engine } from '../dist/native/engine.js';
import { writeCard } from './pretrain/card.mjs';
import { measureAde, writeScenes } from './pretrain/measure.mjs';
import { Pretraining } from './pretrain/training.mjs';

const numbers = {
  steps: 4000,
  'batch-size': 64,
  scenes: 12000,
  seed: 1,
  'image-size': 256,
  width: 256,
  height: 192,
  lr: 1.5e-3,
  'weight-decay': 0.05,
  'max-norm': 1,
  ema: 0.998,
  warmup: 200,
  'time-limit': Infinity,
  'print-every': 50,
  'eval-every': 1000,
  'eval-scenes': 100,
  threads: 0,
};
const { values } = parseArgs({
  options: {
    ...Object.fromEntries(Object.keys(numbers).map((name) => [name, { type: 'string' }])),
    arch: { type: 'string', default: 'street-small' },
    device: { type: 'string', default: 'cpu' },
    out: { type: 'string' },
    'scene-folder': { type: 'string' },
    'keep-scenes': { type: 'boolean', default: false },
  },
});
if (!values.out)
  throw new Error('--out DIR is missing: where the network and what going on needs are written');
const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [camel(name), value]));
for (const [name, value] of Object.entries(numbers)) {
  options[camel(name)] = values[name] === undefined ? value : Number(values[name]);
  if (Number.isNaN(options[camel(name)]))
    throw new Error(`--${name} should be a number, not ${values[name]}`);
}

options.sceneFolder ??= join(tmpdir(), `dinov3-seg-scenes-${options.seed}`);
const deviceName = options.device === 'cuda' ? 'cuda:0' : options.device;
const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const say = (text) => process.stdout.write(`${seconds().toFixed(1).padStart(7)} s  ${text}\n`);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

if (options.threads > 0) engine().setThreads(options.threads);
const pretraining = await Pretraining.open(options, say);
const held = join(options.out, 'held-out');
let drawn = 0;
await pretraining.startScenes((count) => {
  if (Math.floor((drawn + count) / 2000) > Math.floor(drawn / 2000)) say(`${drawn + count} scenes drawn`);
  drawn += count;
});
if (options.evalScenes > 0) {
  const { evalScenes: val, width, height } = options;
  await writeScenes(held, { train: 0, val, seed: 500, width, height });
}

async function evaluateNow() {
  const folder = join(options.out, 'network');
  const paths = await pretraining.saveNetwork(folder, 'bfloat16');
  const model = join(folder, 'model.pt');
  await convert({ ...paths, out: model });
  if (options.evalScenes === 0) return undefined;
  const evaluation = await measureAde(model, held, options);
  const { mIoU, pixelAccuracy } = evaluation;
  say(
    `step ${pretraining.step}: held-out ADE mIoU ${(100 * mIoU).toFixed(2)} %, pixels ${(100 * pixelAccuracy).toFixed(2)} %`,
  );
  return evaluation;
}

let since = { step: pretraining.step, time: performance.now() };
while (pretraining.step < options.steps && !stop.signal.aborted && seconds() < options.timeLimit) {
  const rate = pretraining.learningRate;
  await pretraining.takeStep();
  const { step } = pretraining;
  if (step % options.printEvery === 0) {
    const { total, classes, mask, dice, gradientNorm } = await pretraining.losses();
    const now = performance.now();
    const speed = (step - since.step) / ((now - since.time) / 1000);
    since = { step, time: now };
    const parts = [classes, mask, dice].map((value) => value.toFixed(3)).join(' + ');
    say(
      `step ${step}/${options.steps}  loss ${total.toFixed(3)} (class, mask, dice ${parts})  gradient ${gradientNorm.toFixed(2)}` +
        `  lr ${rate.toExponential(2)}  ${speed.toFixed(2)} steps/s`,
    );
  }
  if (step % options.evalEvery === 0 && step < options.steps) {
    await pretraining.saveState();
    await evaluateNow();
    since = { step, time: performance.now() };
  }
}
await pretraining.saveState();
if (pretraining.step < options.steps) {
  pretraining.source.stop();
  say(`stopped at step ${pretraining.step}: the same command goes on from here`);
} else {
  const evaluation = await evaluateNow();
  const { description } =
    engine()
      .devices()
      .find(({ name }) => name === deviceName) ?? {};
  await writeCard(join(options.out, 'network'), {
    ...{ options, evaluation, seconds: seconds() },
    parameters: engine().trainingInfo(pretraining.training).parameters,
    device: description ?? options.device,
  });
  if (!options.keepScenes) await rm(options.sceneFolder, { recursive: true, force: true });
  say(`done: ${join(options.out, 'network')}/{backbone,head}.safetensors`);
}
