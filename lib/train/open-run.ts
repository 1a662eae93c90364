/** Opens what a training run needs: network, data, heads and run folder, new or resumed. */
import { createHash } from 'node:crypto';
import { loadClassSet } from '../data/class-sets.js';
import { SegmentationDataset } from '../data/dataset.js';
import type { LayoutOptions } from '../data/layout.js';
import { resolveDevices } from '../model/device.js';
import { capGpuMemory } from '../model/gpu-memory.js';
import { engine } from '../native/engine.js';
import { packageVersion } from '../package-version.js';
import { resolveConfig, type RunConfig, type TrainConfig } from './config.js';
import { withHeadKind } from './head-kind.js';
import { HeadsTrainer } from './heads-trainer.js';
import { leftOutLines, warnOfLabels } from './label-warnings.js';
import type { Datasets } from './output-feed.js';
import { presetNote } from './presets.js';
import { initialWeights } from './initial-head.js';
import { RunEvents } from './run-events.js';
import { readDescription, readPosition, RunFolder, type RunDescription } from './run-folder.js';
import { startPosition, type RunPosition } from './run-position.js';
import { headsOfRun, type SweepSettings } from './sweep-settings.js';
import { stopped, type TrainHooks } from './train-hooks.js';

/** An opened run; whoever opens it disposes of it. */
export interface OpenRun extends Disposable {
  config: RunConfig;
  train: SegmentationDataset;
  val: SegmentationDataset;
  /** Of each head. */
  settings: readonly SweepSettings[];
  /** Whether the run has a sweep or folds: several heads, listed separately. */
  isSweep: boolean;
  trainer: HeadsTrainer;
  folder: RunFolder;
  events: RunEvents;
  position: RunPosition;
  /** The folder of a head's events in the run's: '' where there is one head alone. */
  partOf(head: number): string;
}

/** What every kind of run begins with. */
export interface PreparedRun {
  config: RunConfig;
  /** What a person should know about settings that the network decided, and about the labels of a new run. */
  notes: string[];
  datasets: Datasets;
  /** Of each head. */
  settings: readonly SweepSettings[];
  folder: RunFolder;
  resume: boolean;
}

/**
 * Checks settings and data and makes the run's folder: with `resume`, takes the one in `given.out` (its own settings hold
 * for what `given` leaves out).
 *
 * @throws DinoSegError INVALID_ARGUMENT, SHAPE, CLASSES, DATASET, RUN, FILE_NOT_FOUND, CHECKPOINT_*.
 */
export async function prepareRun(given: Partial<TrainConfig>, resume: boolean): Promise<PreparedRun> {
  const { config, notes } = await completeConfig(given, resume);
  const settings = headsOfRun(config);
  const datasets = await openDatasets(config);
  const { train, val } = datasets;
  notes.push(...leftOutLines(datasets));
  if (!resume) notes.push(...(await warnOfLabels(datasets)));
  // Whether the network and the classes have what the heads start from is known before the pass over all images.
  await initialWeights(config, train.classSet, train.classSet.classes.length);
  const modelId = await engine().modelId(config.model);
  const data = { train: train.length, val: val.length, digest: digest(train, val) };
  const description: RunDescription = { package: packageVersion(), config, modelId, data };
  const folder = resume ? await RunFolder.resume(description) : await RunFolder.create(description);
  return { config, notes, datasets, settings, folder, resume };
}

/**
 * Opens a prepared run; in mode cached this fills the cache. If it is stopped, the run can be resumed; if it fails, nothing is
 * left of a new run.
 *
 * @throws DinoSegError DEVICE, CACHE, ABORTED, RUN, and what loading a model throws.
 */
export async function openRun(prepared: PreparedRun, hooks: TrainHooks): Promise<OpenRun> {
  const { config, datasets, settings, folder, resume } = prepared;
  const last = folder.last();
  let trainer: HeadsTrainer | undefined;
  try {
    const position =
      (last && (await readPosition(config.out))) || startPosition(config.seed, settings.length);
    trainer = await HeadsTrainer.open(config, datasets, hooks);
    if (last) await trainer.restore(last);
    const opened = trainer;
    const isSweep = config.sweep !== null || config.folds > 0;
    return {
      ...{ config, ...datasets, settings, isSweep, trainer, folder, position },
      events: new RunEvents(config.out, config, datasets.train.classSet.classes),
      partOf: (head) => (isSweep ? `${config.folds > 0 ? 'fold' : 'head'}-${head}` : ''),
      [Symbol.dispose]: () => opened[Symbol.dispose](),
    };
  } catch (error) {
    trainer?.[Symbol.dispose]();
    if (hooks.signal?.aborted) throw stopped(config);
    if (!resume && !last) await folder.discard();
    throw error;
  }
}

/** Both splits of a run's data. @throws DinoSegError CLASSES, DATASET */
export async function openDatasets(config: TrainConfig): Promise<Datasets> {
  const classSet = await loadClassSet(config.classes);
  const { labelKind, layout, images, labels, unknown, valShare, maxPixels } = config;
  const options: LayoutOptions = {
    labelKind: labelKind ?? undefined,
    layout: layout ?? undefined,
    images: images ?? undefined,
    labels: labels ?? undefined,
    unknown,
    valShare: valShare ?? undefined,
    maxPixels,
  };
  return {
    train: await SegmentationDataset.open(config.data, 'train', classSet, options),
    val: await SegmentationDataset.open(config.data, 'val', classSet, options),
  };
}

/**
 * The settings of a run: given ones over those that it was started with, over the defaults. `notes`: what was chosen by the
 * network.
 *
 * @throws DinoSegError as {@link resolveConfig} and {@link withHeadKind}; RUN, DEVICE.
 */
export async function completeConfig(
  given: Partial<TrainConfig>,
  resume: boolean,
): Promise<{ config: RunConfig; notes: string[] }> {
  const before = resume && given.out !== undefined ? (await readDescription(given.out)).config : {};
  const settings = { ...before, ...given };
  const resolved = resolveConfig(settings);
  const { headKind } = resolved;
  // A run was started with a kind that its network takes.
  const isKnown = resume && headKind !== null;
  const { config, notes } = isKnown
    ? { config: { ...resolved, headKind }, notes: [] }
    : await withHeadKind(settings);
  if (!resume && given.preset) notes.push(presetNote(given.preset, config));
  const devices = resolveDevices(config.device);
  for (const device of devices) capGpuMemory(device, config.gpuMemory);
  return { config: { ...config, device: devices.join(',') }, notes };
}

/** SHA-256 over the names and the kind of label of both splits, which distinguishes another data set from a moved one. */
function digest(train: SegmentationDataset, val: SegmentationDataset): string {
  const hash = createHash('sha256');
  for (const set of [train, val])
    hash.update(JSON.stringify([set.labelKind, set.pairs.map(({ name }) => name)]));
  return hash.digest('hex');
}
