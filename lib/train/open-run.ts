/** What a training run works with: network, data, head and run folder, new or taken up again. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { loadClassSet } from '../data/class-sets.js';
import { SegmentationDataset } from '../data/dataset.js';
import { resolveDevice } from '../model/device.js';
import { engine } from '../native/engine.js';
import type { Datasets } from './cached-outputs.js';
import { CachedTrainer } from './cached-trainer.js';
import { resolveConfig, type TrainConfig } from './config.js';
import { LiveTrainer } from './live-trainer.js';
import { stopped, type TrainHooks } from './loop.js';
import {
  readDescription,
  readPosition,
  RunFolder,
  startPosition,
  type RunDescription,
  type RunPosition,
} from './run-folder.js';
import type { HeadTrainer } from './trainer.js';

/** An opened run; whoever opens it disposes of it. */
export interface OpenRun extends Disposable {
  config: TrainConfig;
  train: SegmentationDataset;
  val: SegmentationDataset;
  trainer: HeadTrainer;
  folder: RunFolder;
  position: RunPosition;
}

/**
 * Opens a run: with `resume` the one in `given.out` (its own settings hold for what `given` leaves out). In mode cached the
 * cache is filled on the way.
 *
 * @throws DinoSegError INVALID_ARGUMENT, SHAPE, CLASSES, DATASET, RUN, DEVICE, CACHE, ABORTED, and what loading a model
 *   throws.
 */
export async function openRun(
  given: Partial<TrainConfig>,
  hooks: TrainHooks & { resume?: boolean },
): Promise<OpenRun> {
  const resume = hooks.resume ?? false;
  const config = await completeConfig(given, resume);
  const datasets = await openDatasets(config);
  const { train, val } = datasets;
  const modelId = await engine().modelId(config.model);
  const data = { train: train.length, val: val.length, digest: digest(train, val) };
  const description: RunDescription = { package: packageVersion(), config, modelId, data };
  const position = (resume ? await readPosition(config.out) : undefined) ?? startPosition(config.seed);
  const folder = resume ? await RunFolder.resume(description, position) : await RunFolder.create(description);
  const last = folder.last();
  let trainer: HeadTrainer;
  try {
    trainer = await openTrainer(config, datasets, last, hooks);
  } catch (error) {
    // A run that was stopped can go on; one that could not begin leaves nothing.
    if (!resume && !hooks.signal?.aborted) await folder.discard();
    throw error;
  }
  return { config, train, val, trainer, folder, position, [Symbol.dispose]: () => trainer[Symbol.dispose]() };
}

/** Both splits of a run's data. @throws DinoSegError CLASSES, DATASET */
export async function openDatasets(config: TrainConfig): Promise<Datasets> {
  const classSet = await loadClassSet(config.classes);
  const kind = config.labelKind === null ? {} : { labelKind: config.labelKind };
  return {
    train: await SegmentationDataset.open(config.data, 'train', classSet, kind),
    val: await SegmentationDataset.open(config.data, 'val', classSet, kind),
  };
}

async function openTrainer(
  config: TrainConfig,
  datasets: Datasets,
  last: string | undefined,
  hooks: TrainHooks,
): Promise<HeadTrainer> {
  if (config.mode === 'live') return LiveTrainer.open(config, datasets, last);
  try {
    return await CachedTrainer.open(config, datasets, last, hooks);
  } catch (error) {
    throw hooks.signal?.aborted ? stopped(config) : error;
  }
}

/** The settings of a run: given ones over those that it was started with, over the defaults. */
export async function completeConfig(given: Partial<TrainConfig>, resume: boolean): Promise<TrainConfig> {
  const before = resume && given.out !== undefined ? (await readDescription(given.out)).config : {};
  const config = resolveConfig({ ...before, ...given });
  return { ...config, device: resolveDevice(config.device) };
}

/** SHA-256 over the names and the kind of label of both splits: tells another data set from a moved one. */
export function digest(train: SegmentationDataset, val: SegmentationDataset): string {
  const hash = createHash('sha256');
  for (const set of [train, val])
    hash.update(JSON.stringify([set.labelKind, set.pairs.map(({ name }) => name)]));
  return hash.digest('hex');
}

export function packageVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
