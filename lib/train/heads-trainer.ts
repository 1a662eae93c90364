/** The heads of a run: one, or several with settings of their own, all trained on the same batches. */
import type { HeadMetadata } from '../model/head-metadata.js';
import { rowOf } from '../model/head-arrays.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { EvaluationAccumulator } from '../evaluate/evaluation-accumulator.js';
import { CachedFeed } from './cached-feed.js';
import { classWeights } from './class-weights.js';
import type { RunConfig } from './config.js';
import { HeadGroup, type HeadSettings } from './head-group.js';
import { initialWeights } from './initial-head.js';
import { LiveFeed } from './live-feed.js';
import type { Datasets, EvaluateHooks, FedBatches, OutputFeed } from './output-feed.js';
import { cosineLearningRate, scheduleOf } from './schedule.js';
import { readStates, writeState, writeStates } from './state-file.js';
import { foldsOf, headsOfRun } from './sweep-settings.js';
import type { TrainHooks } from './train-hooks.js';

/** Results of some batches. */
export interface TrainedBatches {
  batches: number;
  images: number;
  /** Whether an optimiser step ended them: only then can the state be saved. */
  stepped: boolean;
  /**
   * Of each head and batch, loss times images: added up one by one, so that a sum does not depend on where a run was
   * stopped.
   */
  losses: number[][];
  /** Heads whose loss or gradient is not finite any more. */
  lost: boolean[];
}

interface Member {
  group: HeadGroup;
  slot: number;
}

/** The heads and what feeds them; those with an output for "no object" make a group of their own. */
export class HeadsTrainer implements Disposable {
  /** The heads of each group by slot. */
  readonly #headsOf: ReadonlyMap<HeadGroup, readonly number[]>;

  private constructor(
    private readonly config: RunConfig,
    private readonly datasets: Datasets,
    /** Where the network's outputs come from. */
    readonly feed: OutputFeed,
    private readonly groups: readonly HeadGroup[],
    private readonly members: readonly Member[],
    private readonly leftOutBy: readonly number[] | undefined,
  ) {
    const headsOf = new Map(groups.map((group): [HeadGroup, number[]] => [group, []]));
    for (const [head, { group, slot }] of members.entries()) headsOf.get(group)![slot] = head;
    this.#headsOf = headsOf;
  }

  /**
   * Loads the network (mode live), or fills the cache and opens it (mode cached).
   *
   * @throws DinoSegError of both, and of the heads' first weights and class weights; the signal's reason.
   */
  static async open(config: RunConfig, datasets: Datasets, hooks: TrainHooks): Promise<HeadsTrainer> {
    const feed: OutputFeed =
      config.mode === 'live'
        ? await LiveFeed.open(config, datasets, hooks)
        : await CachedFeed.open(config, datasets, hooks);
    const groups: HeadGroup[] = [];
    try {
      const settings = await headSettings(config, datasets, feed, hooks.signal);
      const members: Member[] = [];
      for (const isMatched of [false, true]) {
        const own = settings.filter(({ loss }) => (loss === 'mask2former') === isMatched);
        if (own.length === 0) continue;
        const group = await makeGroup(own, config, datasets, feed, isMatched);
        groups.push(group);
        feed.assertFits?.(group);
        own.forEach((each, slot) => (members[settings.indexOf(each)] = { group, slot }));
      }
      const { folds, seed } = config;
      const leftOutBy = folds > 0 ? foldsOf(datasets.train.length, folds, seed) : undefined;
      return new HeadsTrainer(config, datasets, feed, groups, members, leftOutBy);
    } catch (error) {
      groups.forEach((group) => group[Symbol.dispose]());
      feed[Symbol.dispose]();
      throw error;
    }
  }

  /** Outputs of a head. */
  get outputs(): number {
    return this.groups[0]!.outputs;
  }

  /** Trains the batches of an epoch from `firstBatch` (from 0) on. @throws the signal's reason, between two batches */
  async *train(
    epoch: number,
    firstBatch: number,
    signal?: AbortSignal,
  ): AsyncGenerator<TrainedBatches, void, void> {
    const { batchSize, accumulate } = this.config;
    const { batchesPerEpoch, stepsPerEpoch, totalSteps } = this.#schedule();
    const learningRates = (group: HeadGroup, first: number, batches: number) => {
      const heads = group.settings.length;
      const step = (epoch - 1) * stepsPerEpoch + Math.ceil(first / accumulate);
      return Float64Array.from({ length: Math.ceil(batches / accumulate) * heads }, (_, i) =>
        cosineLearningRate(group.settings[i % heads]!.learningRate, step + Math.floor(i / heads), totalSteps),
      );
    };
    if (firstBatch >= batchesPerEpoch) return;
    const plan = { epoch, firstBatch, learningRates, leftOutBy: this.leftOutBy, signal };
    for await (const fed of this.feed.train(this.groups, plan)) yield this.#byHead(fed, batchSize);
  }

  #byHead({ batches, images, stepped, results }: FedBatches, batchSize: number): TrainedBatches {
    const losses = this.members.map((): number[] => []);
    const lost = this.members.map(() => false);
    for (const [head, { group, slot }] of this.members.entries()) {
      const heads = group.settings.length;
      const own = results[this.groups.indexOf(group)]!;
      for (let batch = 0; batch < batches; batch++) {
        const count = Math.min(batchSize, images - batch * batchSize);
        losses[head]!.push(own.losses[batch * heads + slot]! * count);
      }
      lost[head] = !losses[head]!.every(Number.isFinite);
      for (let step = slot; step < own.norms.length; step += heads)
        lost[head] ||= !Number.isFinite(own.norms[step]!);
    }
    return { batches, images, stepped, losses, lost };
  }

  #schedule(): ReturnType<typeof scheduleOf> {
    return scheduleOf({ ...this.config, images: this.datasets.train.length });
  }

  /**
   * Evaluates every head on the validation images or, with folds, on the training images that it has left out.
   *
   * @throws the signal's reason.
   */
  async evaluate(hooks: EvaluateHooks = {}): Promise<Evaluation[]> {
    const { leftOutBy, datasets, feed, groups } = this;
    const started = performance.now();
    const accumulators = this.members.map(() => new EvaluationAccumulator(datasets.train.classSet));
    const split = leftOutBy ? 'train' : 'val';
    const each: Parameters<OutputFeed['evaluate']>[2] = (group, image, slot, loss, confusion) => {
      const head = this.#headsOf.get(group)![slot]!;
      if (!leftOutBy || leftOutBy[image] === head) accumulators[head]!.add(confusion, loss);
    };
    await feed.evaluate(groups, split, each, hooks);
    const seconds = (performance.now() - started) / 1000;
    return accumulators.map((accumulator) => accumulator.result(seconds));
  }

  /** Writes one head's file, without its optimiser state. */
  async saveHead(path: string, head: number, metadata: Partial<HeadMetadata>): Promise<void> {
    const { group, slot } = this.members[head]!;
    const { value, runningMean, runningVar } = rowOf(
      (await group.state()).arrays,
      group.settings.length,
      slot,
    );
    const arrays = { value, ...(runningMean && runningVar && { runningMean, runningVar }) };
    await writeState(path, group, arrays, this.#metadata(metadata));
  }

  /** Writes the state of all heads, to resume from. */
  async saveStates(path: string, metadata: Partial<HeadMetadata> & { run: string }): Promise<void> {
    const states = await Promise.all(this.groups.map((group) => group.state()));
    await writeStates(path, this.groups, states, this.#metadata(metadata));
  }

  /** @throws DinoSegError RUN for a file without such a state, CHECKPOINT_*, HEAD_MISMATCH, IO */
  async restore(path: string): Promise<void> {
    const states = await readStates(path, this.groups);
    for (const [i, group] of this.groups.entries()) await group.restore(states[i]!);
  }

  #metadata<T extends Partial<HeadMetadata>>(metadata: T): HeadMetadata & T {
    return {
      classSet: this.datasets.train.classSet,
      precision: this.config.headPrecision,
      ...metadata,
    };
  }

  [Symbol.dispose](): void {
    this.groups.forEach((group) => group[Symbol.dispose]());
    this.feed[Symbol.dispose]();
  }
}

/** The settings of each head, class weights as numbers. */
async function headSettings(
  config: RunConfig,
  { train }: Datasets,
  feed: OutputFeed,
  signal: AbortSignal | undefined,
): Promise<HeadSettings[]> {
  const rows = headsOfRun(config);
  const weighs = rows.some((row) => row.classWeights === 'frequency');
  const pixels = weighs ? await feed.classPixels(signal) : [];
  const { maxNorm } = config;
  const settings: HeadSettings[] = [];
  for (const row of rows)
    settings.push({
      ...row,
      maxNorm,
      classWeights: await classWeights(row.classWeights, train.classSet, pixels),
    });
  return settings;
}

async function makeGroup(
  settings: readonly HeadSettings[],
  config: RunConfig,
  { train }: Datasets,
  { width, device }: OutputFeed,
  isMatched: boolean,
): Promise<HeadGroup> {
  const { classSet } = train;
  const { layers, headPrecision: precision } = config;
  const { length: classes } = classSet.classes;
  const kind = isMatched ? 'mask2former' : config.headKind;
  const initial = await initialWeights(config, classSet, isMatched ? classes + 1 : classes);
  return new HeadGroup(settings, { kind, width, layers, classes, device, precision, initial });
}
