/** What a training run works with: network, data, head and run folder, new or taken up again. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { loadClassSet } from '../data/class-sets.js';
import { SegmentationDataset } from '../data/dataset.js';
import { ClassHead } from '../model/class-head.js';
import { resolveDevice } from '../model/device.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { resolveConfig, type TrainConfig } from './config.js';
import {
  readDescription,
  readLast,
  RunFolder,
  startPosition,
  type RunDescription,
  type RunPosition,
} from './run-folder.js';

/** An opened run; whoever opens it disposes of model and head. */
export interface OpenRun extends Disposable {
  config: TrainConfig;
  model: SegmentationModel;
  train: SegmentationDataset;
  val: SegmentationDataset;
  head: ClassHead;
  folder: RunFolder;
  position: RunPosition;
}

/**
 * Opens a run: with `resume` the one in `given.out` (its own settings hold for what `given` leaves out).
 *
 * @throws DinoSegError INVALID_ARGUMENT, SHAPE, CLASSES, DATASET, RUN, DEVICE, and what loading a model throws.
 */
export async function openRun(given: Partial<TrainConfig>, resume: boolean): Promise<OpenRun> {
  const config = await completeConfig(given, resume);
  const classSet = await loadClassSet(config.classes);
  const kind = config.labelKind === null ? {} : { labelKind: config.labelKind };
  const train = await SegmentationDataset.open(config.data, 'train', classSet, kind);
  const val = await SegmentationDataset.open(config.data, 'val', classSet, kind);
  const model = await SegmentationModel.load(config.model, config);
  let head: ClassHead | undefined;
  try {
    const data = { train: train.length, val: val.length, digest: digest(train, val) };
    const description: RunDescription = { package: packageVersion(), config, modelId: model.id, data };
    const last = resume ? await readLast(config.out, config) : undefined;
    head = last?.head ?? ClassHead.create({ ...config, hidden: model.hidden, classes: classSet });
    head.assertFits(model);
    const position = last?.position ?? startPosition(config.seed);
    const folder = resume
      ? await RunFolder.resume(description, position)
      : await RunFolder.create(description);
    const opened = { config, model, train, val, head, folder, position };
    return { ...opened, [Symbol.dispose]: () => disposeAll(opened) };
  } catch (error) {
    disposeAll({ model, head });
    throw error;
  }
}

async function completeConfig(given: Partial<TrainConfig>, resume: boolean): Promise<TrainConfig> {
  const before = resume && given.out !== undefined ? (await readDescription(given.out)).config : {};
  const config = resolveConfig({ ...before, ...given });
  return { ...config, device: resolveDevice(config.device) };
}

/** SHA-256 over the names and the kind of label of both splits: tells another data set from a moved one. */
function digest(train: SegmentationDataset, val: SegmentationDataset): string {
  const hash = createHash('sha256');
  for (const set of [train, val])
    hash.update(JSON.stringify([set.labelKind, set.pairs.map(({ name }) => name)]));
  return hash.digest('hex');
}

function packageVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function disposeAll(owned: { model: SegmentationModel; head: ClassHead | undefined }): void {
  owned.head?.dispose();
  owned.model.dispose();
}
