/** Training of one head on cached outputs. */
import { readHeadFile, writeHeadFile, type HeadValues } from '../model/head-file.js';
import type { HeadMetadata } from '../model/head-metadata.js';
import { CachedHeads } from './cached-heads.js';
import { CachedOutputs, type Datasets } from './cached-outputs.js';
import { classWeights } from './class-weights.js';
import type { TrainConfig } from './config.js';
import type { GroupState, HeadSettings } from './head-group.js';
import { initialWeights } from './initial-head.js';
import type { TrainHooks } from './loop.js';
import { schedule } from './schedule.js';
import type { Evaluation } from './tally.js';
import type { HeadTrainer, SavableHead, TrainedBatches } from './trainer.js';

/** How long the engine trains before the loop looks at the signal, and shows how far it is. */
const sliceSeconds = 0.5;

/** A head and the cache that it learns from. */
export class CachedTrainer implements HeadTrainer {
  readonly head: SavableHead = { save: (path, options) => this.#save(path, options) };

  private constructor(
    private readonly config: TrainConfig,
    private readonly datasets: Datasets,
    private readonly outputs_: CachedOutputs,
    private readonly heads: CachedHeads,
  ) {}

  /** Fills the cache first. @param last a head file to go on from. */
  static async open(
    config: TrainConfig,
    datasets: Datasets,
    last: string | undefined,
    hooks: TrainHooks,
  ): Promise<CachedTrainer> {
    const outputs = await CachedOutputs.open(config, datasets, hooks);
    let heads: CachedHeads | undefined;
    try {
      const { classSet } = datasets.train;
      const weights = await classWeights(config.classWeights, classSet, outputs.classPixels);
      const settings: HeadSettings = { ...config, classWeights: weights };
      const initial = initialWeights(config, classSet, outputs.hidden);
      heads = await CachedHeads.create([settings], outputs, { ...config, classSet, initial });
      if (last) await heads.restore([stateOf((await readHeadFile(last)).values)]);
      return new CachedTrainer(config, datasets, outputs, heads);
    } catch (error) {
      heads?.[Symbol.dispose]();
      outputs[Symbol.dispose]();
      throw error;
    }
  }

  get device(): string {
    return this.config.device;
  }

  get outputs(): number {
    return this.heads.groups[0]!.outputs;
  }

  async *train(epoch: number, firstBatch: number): AsyncGenerator<TrainedBatches, void, void> {
    const { batchesPerEpoch } = schedule({ ...this.config, images: this.outputs_.trainCount });
    for (let done = firstBatch; done < batchesPerEpoch;) {
      const { batches, images, lossSums, lost } = await this.heads.train(epoch, done, sliceSeconds);
      done += batches;
      yield { batches, images, lossSum: lost[0] ? NaN : lossSums[0]!, stepped: true };
    }
  }

  async evaluate(options: {
    signal?: AbortSignal;
    onProgress?: (done: number, total: number) => void;
  }): Promise<Evaluation> {
    const [evaluation] = await this.heads.evaluate(options);
    return evaluation!;
  }

  async #save(
    path: string,
    options: { metadata: Partial<HeadMetadata>; optimizer?: boolean },
  ): Promise<void> {
    const [state] = await this.heads.states();
    const values = valuesOf(state!, this.outputs, this.outputs_.hidden);
    const { classSet } = this.datasets.train;
    const { precision } = this.config;
    const { optimizer, ...weights } = values;
    await writeHeadFile(path, options.optimizer ? { ...weights, optimizer: optimizer! } : weights, {
      classSet,
      precision,
      ...options.metadata,
    });
  }

  [Symbol.dispose](): void {
    this.heads[Symbol.dispose]();
    this.outputs_[Symbol.dispose]();
  }
}

/** The state of a group of one as a head file has it, and back. */
function valuesOf(
  { value, expAvg, expAvgSq, steps }: GroupState,
  classes: number,
  hidden: number,
): HeadValues {
  const split = (row: Float32Array) => [row.slice(0, classes * hidden), row.slice(classes * hidden)] as const;
  const [weight, bias] = split(value);
  const [expAvgWeight, expAvgBias] = split(expAvg);
  const [expAvgSqWeight, expAvgSqBias] = split(expAvgSq);
  const optimizer = { expAvgWeight, expAvgBias, expAvgSqWeight, expAvgSqBias, steps: steps[0]! };
  return { classes, hidden, weight, bias, optimizer };
}

function stateOf({ weight, bias, optimizer }: HeadValues): GroupState {
  const row = (...parts: [Float32Array, Float32Array]) => {
    const joined = new Float32Array(parts[0].length + parts[1].length);
    joined.set(parts[0]);
    joined.set(parts[1], parts[0].length);
    return joined;
  };
  const zero = [new Float32Array(weight.length), new Float32Array(bias.length)] as const;
  return {
    value: row(weight, bias),
    expAvg: row(optimizer?.expAvgWeight ?? zero[0], optimizer?.expAvgBias ?? zero[1]),
    expAvgSq: row(optimizer?.expAvgSqWeight ?? zero[0], optimizer?.expAvgSqBias ?? zero[1]),
    steps: [optimizer?.steps ?? 0],
  };
}
