/** Heads with settings of their own, trained side by side in one pass over cached outputs. */
import type { ClassSet } from '../data/class-set.js';
import { writeHeadFile, type HeadValues } from '../model/head-file.js';
import type { HeadMetadata, Precision } from '../model/head-metadata.js';
import { probeValuesOf, writeProbeFile } from '../model/probe-file.js';
import type { TrainingPlanResult } from '../native/bindings/engine.js';
import type { CachedOutputs } from './cached-outputs.js';
import { HeadGroup, type GroupOptions, type GroupState, type HeadSettings } from './head-group.js';
import { cosineLearningRate, scheduleOf } from './schedule.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { EvaluationAccumulator } from '../evaluate/evaluation-accumulator.js';

/** How long the engine trains before the caller looks at its signal, and shows how far it is. */
export const sliceSeconds = 0.5;
/** Records that are evaluated in one call. */
const evaluationSlice = 64;

/** First weights of a head with `outputs` outputs. */
export type InitialWeights = (outputs: number) => Promise<GroupOptions['initial']>;

/** What all heads have in common. */
export interface CachedHeadsOptions {
  classSet: ClassSet;
  headPrecision: Precision;
  device: string;
  epochs: number;
  batchSize: number;
  accumulate: number;
  initial: InitialWeights;
  /** The head that leaves out a training image, by the image's index; absent: none does. */
  leftOutBy?: readonly number[];
}

/** What some batches came to. */
export interface TrainedSlice {
  batches: number;
  images: number;
  /** Of each head and batch, loss times images. */
  losses: number[][];
  /** Heads whose loss or gradient is not finite any more. */
  lost: boolean[];
}

interface Member {
  group: HeadGroup;
  slot: number;
}

/** The heads; those with an output for "no object" make a group of their own. */
export class CachedHeads implements Disposable {
  private constructor(
    readonly settings: readonly HeadSettings[],
    private readonly outputs: CachedOutputs,
    private readonly options: CachedHeadsOptions,
    readonly groups: readonly HeadGroup[],
    private readonly members: readonly Member[],
  ) {}

  static async create(
    settings: readonly HeadSettings[],
    outputs: CachedOutputs,
    options: CachedHeadsOptions,
  ): Promise<CachedHeads> {
    const { classSet, headPrecision, device, initial } = options;
    const { length: classes } = classSet.classes;
    const groups: HeadGroup[] = [];
    const members: Member[] = [];
    try {
      for (const matched of [false, true]) {
        const own = settings.filter(({ loss }) => (loss === 'mask2former') === matched);
        if (own.length === 0) continue;
        const weights = await initial(matched ? classes + 1 : classes);
        const { width } = outputs;
        const group = new HeadGroup(own, {
          width,
          classes,
          device,
          precision: headPrecision,
          initial: weights,
        });
        groups.push(group);
        own.forEach((each, slot) => (members[settings.indexOf(each)] = { group, slot }));
      }
      return new CachedHeads(settings, outputs, options, groups, members);
    } catch (error) {
      groups.forEach((group) => group[Symbol.dispose]());
      throw error;
    }
  }

  /**
   * Trains batches of an epoch from `firstBatch` (from 0) on, for about `seconds` and up to an optimiser step. All heads see
   * the same batches.
   */
  async train(epoch: number, firstBatch: number, seconds: number): Promise<TrainedSlice> {
    const { batchSize, accumulate } = this.options;
    const all = this.outputs.epochRecords(epoch);
    const folds = this.#recordFolds();
    const losses = this.settings.map((): number[] => []);
    const lost = this.settings.map(() => false);
    let records = all.subarray(firstBatch * batchSize);
    let batches = 0;
    for (const [turn, group] of this.groups.entries()) {
      const plan = {
        ...{ records, batchSize, accumulate },
        learningRates: this.#learningRates(group, epoch, firstBatch, Math.ceil(records.length / batchSize)),
        ...(folds && { folds }),
      };
      const result = await group.train(this.outputs.store, plan, turn === 0 ? seconds : Infinity);
      batches = result.batches;
      records = records.subarray(0, batches * batchSize);
      this.#gather(group, result, records.length, losses, lost);
    }
    return { batches, images: records.length, losses, lost };
  }

  #gather(
    group: HeadGroup,
    result: TrainingPlanResult,
    images: number,
    losses: number[][],
    lost: boolean[],
  ): void {
    const { batchSize } = this.options;
    const { norms, batches } = result;
    const heads = group.settings.length;
    for (const [slot, head] of this.#headsOf(group).entries()) {
      for (let batch = 0; batch < batches; batch++) {
        const count = Math.min(batchSize, images - batch * batchSize);
        losses[head]!.push(result.losses[batch * heads + slot]! * count);
      }
      for (let step = slot; step < norms.length; step += heads) lost[head] ||= !Number.isFinite(norms[step]!);
      lost[head] ||= !losses[head]!.every(Number.isFinite);
    }
  }

  /** A group's heads by their slots. */
  #headsOf(group: HeadGroup): number[] {
    const heads: number[] = [];
    for (const [head, member] of this.members.entries())
      if (member.group === group) heads[member.slot] = head;
    return heads;
  }

  /** S×N of the steps from `firstBatch` on. */
  #learningRates(group: HeadGroup, epoch: number, firstBatch: number, batches: number): Float64Array {
    const { accumulate } = this.options;
    const { stepsPerEpoch, totalSteps } = this.#schedule();
    const first = (epoch - 1) * stepsPerEpoch + Math.ceil(firstBatch / accumulate);
    const rates = new Float64Array(Math.ceil(batches / accumulate) * group.settings.length);
    for (let i = 0; i < rates.length; i++) {
      const step = first + Math.floor(i / group.settings.length);
      const { learningRate } = group.settings[i % group.settings.length]!;
      rates[i] = cosineLearningRate(learningRate, step, totalSteps);
    }
    return rates;
  }

  #schedule(): ReturnType<typeof scheduleOf> {
    return scheduleOf({ ...this.options, images: this.outputs.trainCount });
  }

  /** Of every record; heads of one group are numbered by their slots. */
  #recordFolds(): Int32Array | undefined {
    const { leftOutBy } = this.options;
    if (!leftOutBy) return undefined;
    const { outputs } = this;
    const all = new Int32Array(outputs.recordCount).fill(-1);
    leftOutBy.forEach((fold, index) => {
      for (let view = 0; view < outputs.viewCount; view++) all[outputs.trainRecord(index, view)] = fold;
    });
    return all;
  }

  /**
   * Evaluates every head on the validation images or, with folds, on the training images that it has left out.
   *
   * @throws the signal's reason.
   */
  async evaluate(
    options: { signal?: AbortSignal | undefined; onProgress?: (done: number, total: number) => void } = {},
  ): Promise<Evaluation[]> {
    const { signal, onProgress } = options;
    const { leftOutBy, classSet } = this.options;
    const started = performance.now();
    const accumulators = this.settings.map(() => new EvaluationAccumulator(classSet));
    const records = leftOutBy
      ? Int32Array.from(leftOutBy, (_, index) => this.outputs.trainRecord(index, 0))
      : this.outputs.valRecords;
    for (let first = 0; first < records.length; first += evaluationSlice) {
      signal?.throwIfAborted();
      const slice = records.subarray(first, first + evaluationSlice);
      for (const group of this.groups) {
        const heads = this.#headsOf(group);
        await group.evaluate(this.outputs.store, slice, (index, slot, loss, confusion) => {
          const head = heads[slot]!;
          if (!leftOutBy || leftOutBy[first + index] === head) accumulators[head]!.add(confusion, loss);
        });
      }
      onProgress?.(Math.min(first + evaluationSlice, records.length), records.length);
    }
    const seconds = (performance.now() - started) / 1000;
    return accumulators.map((accumulator) => accumulator.result(seconds));
  }

  /** Writes one head's file, without its optimiser state. */
  async save(path: string, index: number, metadata: HeadMetadata): Promise<void> {
    const { group, slot } = this.members[index]!;
    const { value, runningMean, runningVar } = group.row(await group.state(), slot);
    const { width, classes } = group.options;
    if (runningMean && runningVar) {
      await writeProbeFile(
        path,
        probeValuesOf(value!, runningMean, runningVar, { classes, width }),
        metadata,
      );
      return;
    }
    await writeHeadFile(path, linearValues(value!, group.outputs, width), metadata);
  }

  /** The state of every group, to go on from. */
  async states(): Promise<GroupState[]> {
    return Promise.all(this.groups.map((group) => group.state()));
  }

  async restore(states: readonly GroupState[]): Promise<void> {
    for (const [i, group] of this.groups.entries()) await group.restore(states[i]!);
  }

  /** Frees the heads; the outputs are the caller's. */
  [Symbol.dispose](): void {
    this.groups.forEach((group) => group[Symbol.dispose]());
  }
}

/** Weight R×C and bias R of a row that holds one after the other. */
export function linearValues(row: Float32Array, classes: number, hidden: number): HeadValues {
  return {
    ...{ classes, hidden },
    weight: row.slice(0, classes * hidden),
    bias: row.slice(classes * hidden),
  };
}
