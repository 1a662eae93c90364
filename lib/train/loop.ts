/** Training of heads on a frozen network: the recipe, epoch by epoch. A run has one head, or those of a sweep or of folds. */
import { checkArgument, checkOptions } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { atomicWriteFile } from '../files.js';
import { settingsKind, type TrainConfig } from './config.js';
import { betterEpoch, outOfPatience } from './early-stopping.js';
import { epochMetrics, type EpochMetrics } from './epoch-metrics.js';
import { objectLines } from './label-warnings.js';
import { openRun, prepareRun, type OpenRun } from './open-run.js';
import { RunReporter } from './run-report.js';
import { bestHead } from './run-position.js';
import { describeEpoch, describeStart } from './run-log.js';
import { scheduleOf } from './schedule.js';
import { stopped, trainHooks, type TrainHooks } from './train-hooks.js';
import type { SweepRow, TrainResult } from './train-result.js';

/**
 * Trains one head, or several side by side, and writes a run folder.
 *
 * An optimiser step uses the gradients of `accumulate` batches, each divided by `accumulate`. The batches left at the end of
 * an epoch form a step with proportionally smaller gradients. A resumed run has the same weights as one that never stopped.
 * In mode `cached`, each image passes through the network once, before the first epoch; see docs/recipe.md.
 *
 * @param given `model`, `data` and `out`, and the settings that differ from {@link trainDefaults}.
 * @param hooks `resume: true` continues the run in `out`; otherwise a folder that contains a run is refused.
 * @throws DinoSegError ABORTED if the signal stopped it; INVALID_ARGUMENT, SHAPE, CLASSES, DATASET for settings and data;
 *   RUN for a folder that cannot be started or resumed, or that another process trains in, and for a loss that is not finite; CACHE; DEVICE; IMAGE, LABEL_SIZE,
 *   LABEL_VALUE; FILE_NOT_FOUND, DISK_FULL, IO; OUT_OF_MEMORY; and the errors of loading a model.
 */
export async function train(
  given: Partial<TrainConfig>,
  hooks: TrainHooks & { resume?: boolean } = {},
): Promise<TrainResult> {
  checkArgument(given, settingsKind, 'train(given)');
  checkOptions(hooks, trainHooks, 'train()');
  const prepared = await prepareRun(given, hooks.resume ?? false);
  await using _folder = prepared.folder;
  prepared.notes.forEach((note) => hooks.onLog?.(note));
  using run = await openRun(prepared, hooks);
  const { config, position, folder, trainer } = run;
  const log = async (line: string) => {
    hooks.onLog?.(line);
    await folder.log(line);
  };
  const { devices, cacheFill } = trainer.feed;
  const outputsOf = (index: number) => trainer.feed.outputsOf(index);
  const reporter = new RunReporter({ ...run, devices, cacheFill, outputsOf }, log);
  for (const note of prepared.notes) await folder.log(note);
  await log(describeStart(run));
  const told = new Set<string>();
  const tellOfObjects = async () => {
    for (const line of objectLines(run).filter((each) => !told.has(each))) {
      told.add(line);
      await log(line);
    }
  };
  await tellOfObjects();
  const wasFinished = position.finished;
  while (!position.finished) {
    await trainEpoch(run, hooks);
    const { line, metrics } = await finishEpoch(run, await evaluateEpoch(run, hooks));
    await log(line);
    // Live training has read all labels only now.
    await tellOfObjects();
    if (!run.isSweep) hooks.onEpoch?.(metrics[0]!);
    if (!position.finished) await reporter.epoch(bestHead(position.heads)?.best ?? null, sweepRows(run));
  }
  const rows = sweepRows(run);
  if (rows) await atomicWriteFile(folder.file('sweep.json'), `${JSON.stringify(rows, null, 2)}\n`);
  const found = bestHead(position.heads);
  if (found && !wasFinished && config.folds === 0) {
    const best = { head: folder.file('best.safetensors'), epoch: found.best.epoch };
    await run.events.addExamples(run.val, best, outputsOf, log, run.partOf(found.head));
  }
  const best = found?.best ?? null;
  const epochs = position.epoch - 1;
  const stoppedEarly = epochs < config.epochs;
  await log(
    `finished after ${epochs} epochs` +
      (rows ? `; best: ${found ? `head ${found.head}` : 'none'}` : '') +
      (stoppedEarly ? ' (stopped early: no better mIoU)' : ''),
  );
  return {
    ...{ out: config.out, best, epochs, stoppedEarly },
    ...(rows && { heads: rows }),
    ...(await reporter.write(best, rows)),
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
    await saveLast(run);
  };
  let atStep = progressOf(position);
  try {
    for await (const batch of trainer.train(position.epoch, position.batch, hooks.signal)) {
      position.batch += batch.batches;
      position.images += batch.images;
      for (const [i, head] of position.heads.entries()) {
        for (const loss of batch.losses[i]!) head.lossSum += loss;
        if (batch.lost[i]) head.outcome = 'lost';
      }
      refuseLost(run);
      reportTraining(run, hooks);
      if (!batch.stepped) continue;
      atStep = progressOf(position);
      if (performance.now() - savedAt >= config.saveEverySeconds * 1000) await save();
      hooks.signal?.throwIfAborted();
    }
  } catch (error) {
    if (!hooks.signal?.aborted || error !== hooks.signal.reason) throw error;
    // Batches since then are in gradients alone, which are not saved.
    Object.assign(position, { batch: atStep.batch, images: atStep.images });
    for (const [i, head] of position.heads.entries()) Object.assign(head, atStep.heads[i]);
    await save();
    throw stopped(config);
  }
  await save();
}

/** What the batches of an epoch change in a position. */
function progressOf({ batch, images, heads }: OpenRun['position']) {
  return { batch, images, heads: heads.map(({ lossSum, outcome }) => ({ lossSum, outcome })) };
}

function saveLast({ trainer, folder, position }: OpenRun): Promise<void> {
  return folder.saveLast((path, metadata) => trainer.saveStates(path, metadata), position);
}

async function evaluateEpoch(run: OpenRun, hooks: TrainHooks): Promise<Evaluation[]> {
  const { config, trainer, position } = run;
  const { epoch } = position;
  const { epochs } = config;
  try {
    return await trainer.evaluate({
      signal: hooks.signal,
      onProgress: (done, total) =>
        hooks.onProgress?.({ phase: 'evaluate', epoch, epochs, done, total, loss: null }),
    });
  } catch (error) {
    throw hooks.signal?.aborted ? stopped(config) : error;
  }
}

/**
 * Writes the epoch's lines, the best head and the position, in the order that a crash between them forgives.
 *
 * @returns the epoch's line of the log, and the figures of the heads that counted
 */
async function finishEpoch(
  run: OpenRun,
  evaluations: Evaluation[],
): Promise<{ line: string; metrics: EpochMetrics[] }> {
  const { config, trainer, folder, events, position, settings } = run;
  const { epoch, heads } = position;
  const before = bestHead(heads)?.best.mIoU ?? -1;
  const { stepsPerEpoch, totalSteps } = scheduleOf({ ...config, images: run.train.length });
  const lines: EpochMetrics[] = [];
  for (const [i, head] of heads.entries()) {
    if (head.outcome !== 'trained') continue;
    const evaluation = evaluations[i]!;
    const rate = { initial: settings[i]!.learningRate, stepsPerEpoch, totalSteps };
    const metrics = epochMetrics({ ...position, lossSum: head.lossSum }, evaluation, rate);
    await folder.appendMetrics(run.isSweep ? { head: i, ...metrics } : metrics);
    await events.addEpoch(metrics, run.partOf(i));
    head.best = betterEpoch(head.best, epoch, metrics.mIoU);
    head.lastMIoU = metrics.mIoU;
    if (outOfPatience(head.best, epoch, config.patience)) head.outcome = 'stopped';
    lines.push(metrics);
  }
  const found = bestHead(heads);
  // The heads of folds measure the settings; none is meant for use.
  if (config.folds === 0 && found?.best.epoch === epoch && found.best.mIoU > before) {
    const { head, best } = found;
    await folder.saveBest(
      (path, metadata) => trainer.saveHead(path, head, metadata),
      best,
      evaluations[head]!,
    );
  }
  const line = describeEpoch(run, evaluations);
  const isOver = heads.every(({ outcome }) => outcome !== 'trained');
  for (const head of heads) head.lossSum = 0;
  const finished = epoch >= config.epochs || isOver;
  Object.assign(position, { epoch: epoch + 1, batch: 0, images: 0, seconds: 0, finished });
  await saveLast(run);
  return { line, metrics: lines };
}

function reportTraining({ config, train, position, isSweep }: OpenRun, hooks: TrainHooks): void {
  const { epoch, images, heads } = position;
  const { epochs } = config;
  const loss = isSweep ? null : heads[0]!.lossSum / images;
  hooks.onProgress?.({ phase: 'train', epoch, epochs, done: images, total: train.length, loss });
}

/** A sweep continues without its lost heads; a run of one head cannot continue. */
function refuseLost({ isSweep, position: { heads, epoch, batch } }: OpenRun): void {
  if (isSweep || heads[0]!.outcome !== 'lost') return;
  throw new DinoSegError(
    'RUN',
    `The loss became ${heads[0]!.lossSum} in epoch ${epoch}, batch ${batch + 1}. No state was saved after that. ` +
      'Start again with a lower learning rate, or with head precision float32.',
  );
}

/** Results of the heads of a sweep or of folds; undefined for a run of one head. */
function sweepRows({ isSweep, settings, position }: OpenRun): SweepRow[] | undefined {
  if (!isSweep) return undefined;
  return position.heads.map(({ best, lastMIoU, outcome }, head) => ({
    ...settings[head]!,
    ...{ head, best, lastMIoU, outcome },
  }));
}
