/** Training of class_embed on a frozen network: the recipe, epoch by epoch. */
import { checkArgument, checkOptions } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { settingsKind, type TrainConfig } from './config.js';
import { betterEpoch, outOfPatience, type BestEpoch } from './early-stopping.js';
import { epochMetrics, type EpochMetrics } from './epoch-metrics.js';
import { openRun, prepareRun, startRun, type OpenRun } from './open-run.js';
import { RunReporter } from './run-report.js';
import type { RunPosition } from './run-position.js';
import { scheduleOf } from './schedule.js';
import { trainSweep } from './sweep.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { stopped, trainHooks, type TrainHooks } from './train-hooks.js';
import type { TrainResult } from './train-result.js';

/**
 * Trains a head and leaves a run folder behind.
 *
 * Gradients of `accumulate` batches, each divided by `accumulate`, make a step; what is left of an epoch's end makes a
 * step of its own, with as much less weight. Going on with `resume` gives the weights of a run that never stopped.
 *
 * @param given `model`, `data` and `out`, and what should differ from {@link trainDefaults}.
 * With mode `cached` every image goes through the network once, before the first epoch; see docs/recipe.md.
 *
 * @param hooks `resume` goes on with the run in `out`; without it, a folder that holds a run is refused.
 * @throws DinoSegError ABORTED when the signal stopped it; RUN for a loss that is not finite, and as `openRun`;
 *   IMAGE, LABEL_SIZE, LABEL_VALUE from the data; DISK_FULL, IO; OUT_OF_MEMORY.
 */
export async function train(
  given: Partial<TrainConfig>,
  hooks: TrainHooks & { resume?: boolean } = {},
): Promise<TrainResult> {
  checkArgument(given, settingsKind, 'train(given)');
  checkOptions(hooks, trainHooks, 'train()');
  const prepared = await prepareRun(given, hooks.resume ?? false);
  if (prepared.config.sweep !== null || prepared.config.folds > 0)
    return startRun(prepared, hooks, () =>
      trainSweep(prepared.config, prepared.datasets, prepared.folder, hooks),
    );
  using run = await openRun(prepared, hooks);
  const { config, position, folder, trainer } = run;
  const log = async (line: string) => {
    hooks.onLog?.(line);
    await folder.log(line);
  };
  const { device, cacheFill } = trainer;
  const outputsOf = (index: number) => trainer.outputsOf(index);
  const reporter = new RunReporter({ ...run, device, cacheFill, outputsOf }, log);
  await log(describeStart(run));
  const wasFinished = position.finished;
  while (!position.finished) {
    await trainEpoch(run, hooks);
    const evaluation = await evaluateEpoch(run, hooks);
    const metrics = epochMetrics(position, evaluation, {
      initial: config.learningRate,
      ...scheduleOf({ ...config, images: run.train.length }),
    });
    await finishEpoch(run, metrics, evaluation);
    await log(describeEpoch(metrics, position.best));
    hooks.onEpoch?.(metrics);
    if (!position.finished) await reporter.epoch(position.best);
  }
  const { best } = position;
  if (best && !wasFinished) {
    const { events, val } = run;
    const head = folder.file('best.safetensors');
    await events.addExamples(val, { head, epoch: best.epoch }, outputsOf, log);
  }
  const epochs = position.epoch - 1;
  const stoppedEarly = epochs < config.epochs;
  await log(`finished after ${epochs} epochs${stoppedEarly ? ' (no better mIoU for a while)' : ''}`);
  return {
    out: config.out,
    best,
    epochs,
    stoppedEarly,
    ...(await reporter.write(best)),
  };
}

/** Trains what is left of the epoch and saves the state. */
async function trainEpoch(run: OpenRun, hooks: TrainHooks): Promise<void> {
  const { config, trainer, position } = run;
  let resumed = performance.now();
  let savedAt = resumed;
  const save = async () => {
    position.seconds += (performance.now() - resumed) / 1000;
    resumed = savedAt = performance.now();
    await run.folder.saveLast(trainer.head, position);
  };
  for await (const { batches, images, losses, stepped } of trainer.train(position.epoch, position.batch)) {
    position.batch += batches;
    for (const loss of losses) position.lossSum += loss;
    assertFinite(position.lossSum, position);
    position.images += images;
    reportTraining(run, hooks);
    if (!stepped) continue;
    const stopping = hooks.signal?.aborted ?? false;
    if (stopping || performance.now() - savedAt >= config.saveEverySeconds * 1000) await save();
    if (stopping) throw stopped(config);
  }
  await save();
}

async function evaluateEpoch(run: OpenRun, hooks: TrainHooks): Promise<Evaluation> {
  const { config, trainer, position } = run;
  const { epoch } = position;
  const { epochs } = config;
  try {
    return await trainer.evaluate({
      ...(hooks.signal && { signal: hooks.signal }),
      onProgress: (done, total) =>
        hooks.onProgress?.({ phase: 'evaluate', epoch, epochs, done, total, loss: null }),
    });
  } catch (error) {
    throw hooks.signal?.aborted ? stopped(config) : error;
  }
}

/** Writes the epoch's line, the best head and the position, in the order that a crash between them forgives. */
async function finishEpoch(run: OpenRun, metrics: EpochMetrics, evaluation: Evaluation): Promise<void> {
  const { config, trainer, folder, events, position } = run;
  const { head } = trainer;
  const { epoch } = metrics;
  const best = betterEpoch(position.best, epoch, metrics.mIoU);
  await folder.appendMetrics(metrics);
  await events.addEpoch(metrics);
  if (best?.epoch === epoch) await folder.saveBest(head, best, evaluation);
  const finished = epoch >= config.epochs || outOfPatience(best, epoch, config.patience);
  Object.assign(position, { epoch: epoch + 1, batch: 0, lossSum: 0, images: 0, seconds: 0, best, finished });
  await folder.saveLast(head, position);
}

function reportTraining({ config, train, position }: OpenRun, hooks: TrainHooks): void {
  const { epoch, images, lossSum } = position;
  const { epochs } = config;
  const loss = lossSum / images;
  hooks.onProgress?.({ phase: 'train', epoch, epochs, done: images, total: train.length, loss });
}

function assertFinite(loss: number, { epoch, batch }: RunPosition): void {
  if (Number.isFinite(loss)) return;
  throw new DinoSegError(
    'RUN',
    `The loss became ${loss} in epoch ${epoch}, batch ${batch + 1}. Nothing was saved from then on; start again ` +
      'with a lower learning rate, or with headPrecision float32.',
  );
}

function describeStart({ config, trainer, train, val, position }: OpenRun): string {
  const { epoch, batch } = position;
  const fresh = epoch === 1 && batch === 0;
  return (
    `${fresh ? 'start' : `resume at epoch ${epoch}, batch ${batch}`}: ${trainer.outputs} outputs ` +
    `(${config.classes}), ${train.length} training and ${val.length} validation images ` +
    `(${train.unpaired.count + val.unpaired.count} without label left out), ${config.imageSize}×` +
    `${config.imageSize}, ${config.mode}, on ${trainer.device}`
  );
}

function describeEpoch(metrics: EpochMetrics, best: BestEpoch | null): string {
  const percent = (share: number | null) => (share === null ? '–' : `${(100 * share).toFixed(2)} %`);
  const number = (value: number | null) => value?.toFixed(4) ?? '–';
  return (
    `epoch ${metrics.epoch}: train loss ${number(metrics.trainLoss)}, val loss ${number(metrics.valLoss)}, ` +
    `mIoU ${percent(metrics.mIoU)} (per image ${percent(metrics.perImageIoU)}), pixels ` +
    `${percent(metrics.pixelAccuracy)}, ${metrics.imagesPerSecond.toFixed(2)} images/s` +
    (best?.epoch === metrics.epoch ? ', the best so far' : '')
  );
}
