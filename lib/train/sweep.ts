/** Many heads trained side by side in one pass over the cache: sweeps and cross-validation. */
import { atomicWriteFile } from '../files.js';
import { CachedHeads, sliceSeconds } from './cached-heads.js';
import { CachedOutputs, type Datasets } from './cached-outputs.js';
import { classWeights } from './class-weights.js';
import type { TrainConfig } from './config.js';
import { betterEpoch, outOfPatience, type BestEpoch } from './early-stopping.js';
import { epochMetrics } from './epoch-metrics.js';
import type { HeadSettings } from './head-group.js';
import { initialWeights } from './initial-head.js';
import { RunEvents } from './run-events.js';
import { RunReporter } from './run-report.js';
import type { RunFolder } from './run-folder.js';
import { scheduleOf } from './schedule.js';
import { foldsOf, headsOfRun, type SweepSettings } from './sweep-settings.js';
import { readStates, writeStates } from './state-file.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { stopped, type TrainHooks } from './train-hooks.js';
import type { SweepRow, TrainResult } from './train-result.js';
import type { SavableHead } from './trainer.js';

/** Where a sweep stands, besides the heads' states. */
interface SweepPosition {
  epoch: number;
  batch: number;
  images: number;
  seconds: number;
  lossSums: number[];
  rows: SweepRow[];
  finished: boolean;
}

/** Trains the heads of a run with a sweep or folds; see {@link train}. */
export async function trainSweep(
  config: TrainConfig,
  datasets: Datasets,
  folder: RunFolder,
  hooks: TrainHooks,
): Promise<TrainResult> {
  using outputs = await CachedOutputs.open(config, datasets, hooks);
  const rows = headsOfRun(config);
  using heads = await createHeads(config, datasets, outputs, rows);
  const last = folder.last();
  const position = last ? await restore(last, heads) : startOf(rows);
  const run = new Sweep(config, datasets, outputs, heads, folder, position, hooks);
  return await run.train();
}

async function createHeads(
  config: TrainConfig,
  datasets: Datasets,
  outputs: CachedOutputs,
  rows: readonly SweepSettings[],
): Promise<CachedHeads> {
  const { classSet } = datasets.train;
  const { classPixels } = outputs;
  const settings: HeadSettings[] = [];
  for (const row of rows) {
    const weights = await classWeights(row.classWeights, classSet, classPixels);
    settings.push({ ...row, maxNorm: config.maxNorm, classWeights: weights });
  }
  const { seed, folds } = config;
  return CachedHeads.create(settings, outputs, {
    ...{ epochs: config.epochs, batchSize: config.batchSize, accumulate: config.accumulate },
    ...{ headPrecision: config.headPrecision, device: config.device, classSet },
    initial: initialWeights(config, classSet, outputs.width),
    ...(folds > 0 && { leftOutBy: foldsOf(outputs.trainCount, folds, seed) }),
  });
}

function startOf(rows: readonly SweepSettings[]): SweepPosition {
  return {
    ...{ epoch: 1, batch: 0, images: 0, seconds: 0, finished: false },
    lossSums: rows.map(() => 0),
    rows: rows.map((row, head) => ({ ...row, head, best: null, lastMIoU: null, outcome: 'trained' })),
  };
}

class Sweep {
  readonly #events: RunEvents;

  constructor(
    private readonly config: TrainConfig,
    private readonly datasets: Datasets,
    private readonly outputs: CachedOutputs,
    private readonly heads: CachedHeads,
    private readonly folder: RunFolder,
    private readonly position: SweepPosition,
    private readonly hooks: TrainHooks,
  ) {
    this.#events = new RunEvents(config.out, config, datasets.train.classSet.classes);
  }

  async train(): Promise<TrainResult> {
    const { position, folder, config } = this;
    const names = config.folds > 0 ? `${config.folds} folds` : `a sweep of ${position.rows.length} heads`;
    await this.#log(`${position.epoch === 1 ? 'start' : `resume at epoch ${position.epoch}`}: ${names}`);
    const wasFinished = position.finished;
    const reporter = this.#reporter();
    while (!position.finished) {
      await this.#trainEpoch();
      await this.#finishEpoch(await this.#evaluate());
      if (!position.finished) await reporter.epoch(bestRow(position.rows)?.best ?? null, position.rows);
    }
    await atomicWriteFile(folder.file('sweep.json'), `${JSON.stringify(position.rows, null, 2)}\n`);
    const best = bestRow(position.rows);
    if (best && !wasFinished && config.folds === 0) await this.#addExamples(best);
    const epochs = position.epoch - 1;
    await this.#log(`finished after ${epochs} epochs; best: ${best ? `head ${best.head}` : 'none'}`);
    return {
      out: config.out,
      best: best?.best ?? null,
      epochs,
      stoppedEarly: epochs < config.epochs,
      heads: position.rows,
      ...(await reporter.write(best?.best ?? null, position.rows)),
    };
  }

  async #addExamples({ head: number, best }: SweepRow): Promise<void> {
    const outputsOf = (index: number) => this.outputs.validationOutputs(index);
    const log = (line: string) => this.#log(line);
    const head = this.folder.file('best.safetensors');
    const of = { head, epoch: best!.epoch };
    await this.#events.addExamples(this.datasets.val, of, outputsOf, log, `head-${number}`);
  }

  #reporter(): RunReporter {
    const { config, folder, datasets, outputs } = this;
    const outputsOf = (index: number) => outputs.validationOutputs(index);
    const { device } = config;
    const run = { config, folder, ...datasets, device, cacheFill: outputs.filled, outputsOf };
    return new RunReporter(run, (line) => this.#log(line));
  }

  async #log(line: string): Promise<void> {
    this.hooks.onLog?.(line);
    await this.folder.log(line);
  }

  async #trainEpoch(): Promise<void> {
    const { config, position, heads, hooks } = this;
    const { batchesPerEpoch } = scheduleOf({ ...config, images: this.outputs.trainCount });
    const { epochs } = config;
    let resumed = performance.now();
    let savedAt = resumed;
    const save = async () => {
      position.seconds += (performance.now() - resumed) / 1000;
      resumed = savedAt = performance.now();
      await this.#save();
    };
    while (position.batch < batchesPerEpoch) {
      const slice = await heads.train(position.epoch, position.batch, sliceSeconds);
      position.batch += slice.batches;
      position.images += slice.images;
      for (const [i, losses] of slice.losses.entries())
        for (const loss of losses) position.lossSums[i]! += loss;
      slice.lost.forEach((lost, i) => lost && (position.rows[i]!.outcome = 'lost'));
      const { epoch, images: done } = position;
      hooks.onProgress?.({ phase: 'train', epoch, epochs, done, total: this.outputs.trainCount, loss: null });
      const stopping = hooks.signal?.aborted ?? false;
      if (stopping || performance.now() - savedAt >= config.saveEverySeconds * 1000) await save();
      if (stopping) throw stopped(config);
    }
    await save();
  }

  async #evaluate(): Promise<Evaluation[]> {
    const { hooks, position, config } = this;
    const { epoch } = position;
    try {
      return await this.heads.evaluate({
        signal: hooks.signal,
        onProgress: (done, total) =>
          hooks.onProgress?.({ phase: 'evaluate', epoch, epochs: config.epochs, done, total, loss: null }),
      });
    } catch (error) {
      throw hooks.signal?.aborted ? stopped(config) : error;
    }
  }

  /** Writes the epoch's lines, the best head and the position, in the order that a crash between them forgives. */
  async #finishEpoch(evaluations: Evaluation[]): Promise<void> {
    const { config, position, folder } = this;
    const { epoch, rows } = position;
    const counting = rows.filter(({ outcome }) => outcome === 'trained');
    const before = bestRow(rows)?.best?.mIoU ?? -1;
    const { stepsPerEpoch, totalSteps } = scheduleOf({ ...config, images: this.outputs.trainCount });
    for (const row of counting) {
      const evaluation = evaluations[row.head]!;
      const metrics = epochMetrics({ ...position, lossSum: position.lossSums[row.head]! }, evaluation, {
        initial: row.learningRate,
        stepsPerEpoch,
        totalSteps,
      });
      await folder.appendMetrics({ head: row.head, ...metrics });
      await this.#events.addEpoch(metrics, `${config.folds > 0 ? 'fold' : 'head'}-${row.head}`);
      row.best = betterEpoch(row.best, epoch, evaluation.mIoU);
      row.lastMIoU = evaluation.mIoU;
      if (outOfPatience(row.best, epoch, config.patience)) row.outcome = 'stopped';
    }
    const best = bestRow(rows);
    // The heads of folds tell how well the settings do; none is for use.
    if (config.folds === 0 && best?.best && best.best.epoch === epoch && best.best.mIoU > before)
      await this.#saveBest(best.head, best.best, evaluations[best.head]!);
    await this.#log(describeEpoch(epoch, rows));
    const over = rows.every(({ outcome }) => outcome !== 'trained');
    const lossSums = rows.map(() => 0);
    const finished = epoch >= config.epochs || over;
    Object.assign(position, { epoch: epoch + 1, batch: 0, images: 0, seconds: 0, lossSums, finished });
    await this.#save();
  }

  async #saveBest(head: number, best: BestEpoch, evaluation: Evaluation): Promise<void> {
    const { classSet } = this.datasets.train;
    const { headPrecision: precision } = this.config;
    const save: SavableHead['save'] = (path, { metadata }) =>
      this.heads.save(path, head, { classSet, precision, ...metadata });
    await this.folder.saveBest({ save }, best, evaluation);
  }

  /** Position and heads in one file: a stopped write leaves the one before. */
  async #save(): Promise<void> {
    const path = this.folder.file('last.safetensors');
    await writeStates(path, await this.heads.states(), JSON.stringify(this.position));
  }
}

async function restore(path: string, heads: CachedHeads): Promise<SweepPosition> {
  const { states, run } = await readStates(path);
  await heads.restore(states);
  return JSON.parse(run) as SweepPosition;
}

function bestRow(rows: readonly SweepRow[]): SweepRow | undefined {
  return rows
    .filter(({ best }) => best !== null)
    .reduce<SweepRow | undefined>(
      (best, row) => (best === undefined || row.best!.mIoU > best.best!.mIoU ? row : best),
      undefined,
    );
}

function describeEpoch(epoch: number, rows: readonly SweepRow[]): string {
  const measured = rows.map(({ lastMIoU }) => lastMIoU).filter((mIoU) => mIoU !== null);
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const best = bestRow(rows);
  if (measured.length === 0 || !best?.best) return `epoch ${epoch}: no mIoU could be measured`;
  return (
    `epoch ${epoch}: mIoU ${percent(Math.min(...measured))} … ${percent(Math.max(...measured))}, ` +
    `best ${percent(best.best.mIoU)} (head ${best.head}, epoch ${best.best.epoch})`
  );
}
