// How good a pretrained network is, by what `demo` does with it: ADE20K classes as they are, and IDD's 26 classes by a new head.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadClassSet } from '../../../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../../../lib/data/dataset.js';
import { writeDemoDataset } from '../../lib/write-dataset.js';
import { ClassHead } from '../../../../lib/model/class-head.js';
import { LinearProbe } from '../../../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../../../lib/model/segmentation-model.js';
import { trainDefaults } from '../../../../lib/train/config.js';
import { evaluate } from '../../../../lib/evaluate/evaluate.js';
import { newHead } from '../../../../lib/train/initial-head.js';
import { train } from '../../../../lib/train/loop.js';

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
