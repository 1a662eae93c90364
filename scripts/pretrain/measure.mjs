// How good a pretrained network is, by what `demo` does with it: ADE20K classes as they are, and IDD's 26 classes by a new head.
//   node scripts/pretrain/measure.mjs --network DIR --out DIR [--device cuda] [--train 150] [--unseen 60] [--seed 1]
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadClassSet } from '../../dist/data/class-sets.js';
import { SegmentationDataset } from '../../dist/data/dataset.js';
import { writeDemoDataset } from '../../dist/demo/write-dataset.js';
import { ClassHead } from '../../dist/model/class-head.js';
import { convert } from '../../dist/model/convert.js';
import { LinearProbe } from '../../dist/model/linear-probe.js';
import { SegmentationModel } from '../../dist/model/segmentation-model.js';
import { engine } from '../../dist/native/engine.js';
import { trainDefaults } from '../../dist/train/config.js';
import { evaluate } from '../../dist/evaluate/evaluate.js';
import { newHead } from '../../dist/train/initial-head.js';
import { train } from '../../dist/train/loop.js';

/** A demo data set; one that is there stays. */
export async function writeScenes(dir, options) {
  if (!existsSync(dir)) await writeDemoDataset(dir, options);
}

/** `use` of something that is disposed of afterwards: plain JavaScript has no `using` in Node.js 20. */
async function used(thing, use) {
  try {
    return await use(thing);
  } finally {
    thing.dispose();
  }
}

/** The network's own classes on the scenes of `data`. */
export async function measureAde(path, data, { device, imageSize }) {
  return used(await SegmentationModel.load(path, { device }), (model) =>
    used(ClassHead.ofModel(model), async (head) => {
      const scenes = await SegmentationDataset.open(data, 'val', await loadClassSet('ade150'));
      return evaluate(model, head, scenes, { imageSize });
    }),
  );
}

/** mIoU on unseen scenes of heads for IDD's classes: before training, after it, and the linear probe. */
export async function measureIdd(path, folders, options) {
  const { device } = options;
  return used(await SegmentationModel.load(path, { device }), (model) => judgeHeads(model, folders, options));
}

async function judgeHeads(model, folders, { device, imageSize, seed, epochs, lr, loss, probeLr }) {
  const { path } = model;
  const classSet = await loadClassSet('idd26');
  const unseen = await SegmentationDataset.open(folders.unseen, 'val', classSet);
  const judge = (head) => evaluate(model, head, unseen, { imageSize });
  const config = {
    ...trainDefaults,
    ...{ model: path, data: folders.data, classes: 'idd26', imageSize, seed, device, epochs },
    ...{ batchSize: 4, headPrecision: 'float32', cache: join(folders.runs, 'cache') },
  };
  const untrained = async (initHead) =>
    used(await newHead({ ...config, initHead }, classSet, model.hidden), judge);
  const results = { xavier: await untrained('xavier'), mapped: await untrained('map') };
  const trained = async (name, settings, load) => {
    const out = join(folders.runs, name);
    await rm(out, { recursive: true, force: true });
    await train({ ...config, ...settings, out });
    results[name] = await used(await load(join(out, 'best.safetensors'), { device }), judge);
  };
  const load = (...args) => ClassHead.load(...args);
  await trained('trained', { learningRate: lr, loss }, load);
  await trained('trainedFromMap', { learningRate: lr, loss, initHead: 'map' }, load);
  const probe = { headKind: 'linear_probe', learningRate: probeLr, cache: join(folders.runs, 'features') };
  await trained('linearProbe', probe, (...args) => LinearProbe.load(...args));
  return results;
}

async function main() {
  const { values } = parseArgs({
    options: {
      network: { type: 'string' },
      out: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      train: { type: 'string', default: '150' },
      val: { type: 'string', default: '30' },
      unseen: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      epochs: { type: 'string', default: '20' },
      lr: { type: 'string', default: '3e-2' },
      loss: { type: 'string', default: 'nll' },
      'probe-lr': { type: 'string', default: '1e-2' },
      threads: { type: 'string' },
      'image-size': { type: 'string', default: '256' },
      width: { type: 'string', default: '256' },
      height: { type: 'string', default: '192' },
    },
  });
  if (!values.network || !values.out) throw new Error('--network DIR and --out DIR are needed');
  const number = (name) => Number(values[name]);
  if (values.threads) engine().setThreads(number('threads'));
  const size = { width: number('width'), height: number('height') };
  const folders = {
    data: join(values.out, 'data'),
    unseen: join(values.out, 'unseen'),
    runs: join(values.out, 'runs'),
  };
  const counts = { train: number('train'), val: number('val') };
  await writeScenes(folders.data, { ...counts, seed: 600 + number('seed'), ...size });
  await writeScenes(folders.unseen, { train: 0, val: number('unseen'), seed: 700, ...size });
  const path = join(values.network, 'model.pt');
  if (!existsSync(path))
    await convert({
      backbone: join(values.network, 'backbone.safetensors'),
      head: join(values.network, 'head.safetensors'),
      out: path,
    });
  const options = {
    device: values.device,
    imageSize: number('image-size'),
    seed: number('seed'),
    epochs: number('epochs'),
    lr: number('lr'),
    loss: values.loss,
    probeLr: number('probe-lr'),
  };
  const show = (name, { mIoU }) => console.log(`${name.padEnd(16)} mIoU ${(100 * mIoU).toFixed(2)} %`);
  show('ade', await measureAde(path, folders.unseen, options));
  const results = await measureIdd(path, folders, options);
  for (const [name, result] of Object.entries(results)) show(name, result);
  const share = (iou) => (iou === null ? '–' : (100 * iou).toFixed(0));
  console.log(results.trained.classes.map(({ name, iou }) => `${name} ${share(iou)}`).join(', '));
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
