/** The folder of a training run: config.json, metrics.jsonl, training.log, best.safetensors, last.safetensors, events. */
import { existsSync } from 'node:fs';
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, mostListBytes, readJson, readText, writeError } from '../files.js';
import { FolderLock } from '../folder-lock.js';
import type { HeadMetadata } from '../model/head-metadata.js';
import { engine } from '../native/engine.js';
import { configDifferences, type TrainConfig } from './config.js';
import type { BestEpoch } from './early-stopping.js';
import type { EpochMetrics } from './epoch-metrics.js';
import { bestHead, parsePosition, type RunPosition } from './run-position.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { shown, type JsonObject } from '../json.js';
import { printable } from '../printable.js';
import { naturalNumber, ofSchema, parsedAs, wholeNumber } from '../schema.js';
import { expected, fits, renamed, type Setting } from '../setting.js';
import { configKeys, settingsWith, trainSettings } from './settings.js';

/** Settings, network and data of a run: the content of config.json. */
export interface RunDescription {
  /** This package's version. */
  package: string;
  config: TrainConfig;
  /** {@link SegmentationModel.id} */
  modelId: string;
  /** Images of the splits, and a SHA-256 over their names and kind of label. */
  data: { train: number; val: number; digest: string };
}

/** Infinite for a line that a stopped write cut short. */
function epochOf(line: string): number {
  return parsedAs(v.object({ epoch: naturalNumber }), line)?.epoch ?? Infinity;
}

const descriptionSchema = v.object({
  package: v.string(),
  config: v.record(v.string(), v.unknown()),
  modelId: v.string(),
  data: v.object({ train: wholeNumber, val: wholeNumber, digest: v.string() }),
});

/** What is wrong with the settings of a run; undefined if nothing is. */
function faultOfConfig(config: JsonObject): string | undefined {
  const later = settingsWith('addedLater');
  for (const name of configKeys) {
    const setting: Setting = trainSettings[name];
    const value = renamed(setting, config[name]);
    if (value === undefined && later.includes(name)) continue;
    if (value === undefined) return `missing: ${name}`;
    if (!fits(setting, value) && !(value === null && setting.default === null))
      return `the setting "${name}" should be ${expected(setting)}, not ${shown(value)}`;
  }
  return undefined;
}

const runFiles = ['config.json', 'metrics.jsonl', 'best.safetensors', 'last.safetensors'];

/** A run folder, opened by {@link RunFolder.create} or {@link RunFolder.resume} for this process alone, until it is disposed of. */
export class RunFolder implements AsyncDisposable {
  readonly path: string;
  /** What every head file of the run says about where it comes from. */
  readonly #origin: { modelId: string; imageSize: number };

  private constructor(
    { config, modelId }: RunDescription,
    private readonly lock: FolderLock,
  ) {
    this.path = config.out;
    this.#origin = { modelId, imageSize: config.imageSize };
  }

  /** Opens the folder under its lock. @throws DinoSegError RUN while another process trains in it; what `prepare` throws */
  static async #open(
    description: RunDescription,
    prepare: (run: RunFolder) => Promise<void>,
  ): Promise<RunFolder> {
    const { out } = description.config;
    const run = new RunFolder(description, await FolderLock.take(out, `The run in ${out}`, 'RUN'));
    try {
      await prepare(run);
      return run;
    } catch (error) {
      await run[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Gives the lock back, and removes the folder if nothing is in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.lock[Symbol.asyncDispose]();
  }

  /** Takes back what {@link RunFolder.create} made. Other files of the folder's owner stay. */
  async discard(): Promise<void> {
    await rm(this.file('config.json'), { force: true });
  }

  /** The file that a run resumes from; undefined if there is none. */
  last(): string | undefined {
    const path = this.file('last.safetensors');
    return existsSync(path) ? path : undefined;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /**
   * Starts a run. @throws DinoSegError RUN when the folder holds one already, or another process trains in it; DISK_FULL, IO
   */
  static async create(description: RunDescription): Promise<RunFolder> {
    return RunFolder.#open(description, async (run) => {
      const present = runFiles.filter((name) => existsSync(run.file(name)));
      if (present.length > 0)
        throw new DinoSegError(
          'RUN',
          `${run.path} already contains a run (${present.join(', ')}). ` +
            'Continue it with --resume, or choose another folder with --out.',
        );
      await run.#writeDescription(description);
    });
  }

  /**
   * Opens a run to resume it, and cuts metrics.jsonl to the epochs before the saved position.
   *
   * @throws DinoSegError RUN when it was made with other settings, another network or other data, or another process trains
   *   in it.
   */
  static async resume(description: RunDescription): Promise<RunFolder> {
    const { out } = description.config;
    const before = await readDescription(out);
    const differences = configDifferences(before.config, description.config);
    if (before.modelId !== description.modelId)
      differences.push(`model: ${before.modelId} → ${description.modelId} (another network)`);
    if (before.data.digest !== description.data.digest)
      differences.push(
        `data: ${before.data.train} + ${before.data.val} images → ${description.data.train} + ` +
          `${description.data.val} images (other names or labels)`,
      );
    if (differences.length > 0)
      throw new DinoSegError(
        'RUN',
        `The run in ${out} was started with other settings or data:\n  ` +
          `${differences.join('\n  ')}\nResume it without changes, or start another run with --out.`,
      );
    return RunFolder.#open(description, async (run) =>
      run.#cutMetrics((await readPosition(out))?.epoch ?? 1),
    );
  }

  async #writeDescription(description: RunDescription): Promise<void> {
    await atomicWriteFile(this.file('config.json'), `${JSON.stringify(description, null, 2)}\n`);
  }

  async #cutMetrics(epoch: number): Promise<void> {
    const path = this.file('metrics.jsonl');
    if (!existsSync(path)) return;
    const lines = (await readText(path, mostListBytes, 'RUN'))
      .split('\n')
      .filter((line) => line !== '' && epochOf(line) < epoch);
    await atomicWriteFile(path, lines.map((line) => `${line}\n`).join(''));
  }

  /** Adds a line to metrics.jsonl. */
  async appendMetrics(metrics: EpochMetrics & { head?: number }): Promise<void> {
    await this.#append('metrics.jsonl', `${JSON.stringify(metrics)}\n`);
  }

  /** Adds a line, with the time, to training.log. */
  async log(line: string): Promise<void> {
    await this.#append('training.log', `${new Date().toISOString()} ${printable(line)}\n`);
  }

  async #append(name: string, content: string): Promise<void> {
    try {
      await appendFile(this.file(name), content, { flush: true });
    } catch (cause) {
      throw writeError(this.file(name), cause);
    }
  }

  /** Saves weights as the best so far, and what was measured of them. @param save writes a head file */
  async saveBest(
    save: (path: string, metadata: Partial<HeadMetadata>) => Promise<void>,
    best: BestEpoch,
    evaluation: Evaluation,
  ): Promise<void> {
    const measured = { epoch: best.epoch, ...evaluation };
    await atomicWriteFile(this.file('best-evaluation.json'), `${JSON.stringify(measured)}\n`);
    await save(this.file('best.safetensors'), { ...best, ...this.#origin });
  }

  /**
   * Saves weights, optimiser state and position, to resume from. Gradients must be zero: after a step.
   *
   * @param save writes the states of all heads.
   */
  async saveLast(
    save: (path: string, metadata: Partial<HeadMetadata> & { run: string }) => Promise<void>,
    position: RunPosition,
  ): Promise<void> {
    const best = bestHead(position.heads)?.best;
    await save(this.file('last.safetensors'), {
      epoch: position.epoch,
      ...(best && { mIoU: best.mIoU }),
      ...this.#origin,
      run: JSON.stringify(position),
    });
  }
}

/** What the run in a folder was made with. @throws DinoSegError RUN */
export async function readDescription(folder: string): Promise<RunDescription> {
  const path = join(folder, 'config.json');
  if (!existsSync(path))
    throw new DinoSegError('RUN', `There is no run to resume in ${folder}: config.json is missing.`);
  const refuse = (what: string) =>
    new DinoSegError(
      'RUN',
      `${path} is damaged or from another release: ${what}. Start another run with --out.`,
    );
  const description = ofSchema(descriptionSchema, await readJson(path, 'RUN'), refuse);
  const fault = faultOfConfig(description.config);
  if (fault !== undefined) throw refuse(fault);
  const later = settingsWith('addedLater');
  const usual = Object.fromEntries(later.map((key) => [key, (trainSettings[key] as Setting).default]));
  return { ...description, config: { ...usual, ...description.config } as TrainConfig };
}

/** Where the run of last.safetensors stood; undefined when it was stopped before it was first saved. */
export async function readPosition(folder: string): Promise<RunPosition | undefined> {
  const path = join(folder, 'last.safetensors');
  if (!existsSync(path)) return undefined;
  const { run } = (await engine().inspect(path)).metadata;
  if (run === undefined)
    throw new DinoSegError('RUN', `${path} contains no position of a run; a run cannot resume from it.`);
  return parsePosition(path, run);
}
