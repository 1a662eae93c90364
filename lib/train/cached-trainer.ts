/** Training of one head on cached outputs. */
import { readHeadFile, writeHeadFile, type HeadValues } from '../model/head-file.js';
import type { HeadMetadata } from '../model/head-metadata.js';
import { CachedHeads, linearValues, sliceSeconds } from './cached-heads.js';
import { CachedOutputs, type Datasets } from './cached-outputs.js';
import { classWeights } from './class-weights.js';
import type { TrainConfig } from './config.js';
import type { GroupState, HeadSettings } from './head-group.js';
import { initialWeights } from './initial-head.js';
import { scheduleOf } from './schedule.js';
import { readStates, writeStates } from './state-file.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import type { TrainHooks } from './train-hooks.js';
import type { HeadTrainer, CacheFillStats, SavableHead, TrainedBatches } from './trainer.js';

/** A head and the cache that it learns from. */
export class CachedTrainer implements HeadTrainer {
  readonly head: SavableHead = { save: (path, options) => this.#save(path, options) };

  private constructor(
    private readonly config: TrainConfig,
    private readonly datasets: Datasets,
    private readonly cached: CachedOutputs,
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
      const initial = initialWeights(config, classSet, outputs.width);
      heads = await CachedHeads.create([settings], outputs, { ...config, classSet, initial });
      if (last) await heads.restore(await readState(config, last));
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

  get cacheFill(): CacheFillStats {
    return this.cached.filled;
  }

  get outputs(): number {
    return this.heads.groups[0]!.outputs;
  }

  async *train(epoch: number, firstBatch: number): AsyncGenerator<TrainedBatches, void, void> {
    const { batchesPerEpoch } = scheduleOf({ ...this.config, images: this.cached.trainCount });
    for (let done = firstBatch; done < batchesPerEpoch;) {
      const { batches, images, losses, lost } = await this.heads.train(epoch, done, sliceSeconds);
      done += batches;
      yield { batches, images, losses: lost[0] ? [NaN] : losses[0]!, stepped: true };
    }
  }

  outputsOf(index: number): ReturnType<HeadTrainer['outputsOf']> {
    return this.cached.validationOutputs(index);
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
    const { classSet } = this.datasets.train;
    const metadata: HeadMetadata = { classSet, precision: this.config.headPrecision, ...options.metadata };
    if (!options.optimizer) return this.heads.save(path, 0, metadata);
    const states = await this.heads.states();
    if (this.config.headKind === 'linear_probe') return writeStates(path, states, metadata.run!);
    await writeHeadFile(path, valuesOf(states[0]!, this.outputs, this.cached.width), metadata);
  }

  [Symbol.dispose](): void {
    this.heads[Symbol.dispose]();
    this.cached[Symbol.dispose]();
  }
}

async function readState(config: TrainConfig, path: string): Promise<GroupState[]> {
  if (config.headKind === 'linear_probe') return (await readStates(path)).states;
  return [stateOf((await readHeadFile(path)).values)];
}

/** The state of a group of one as a head file has it, and back. */
function valuesOf({ arrays, steps }: GroupState, classes: number, hidden: number): HeadValues {
  const split = (row: Float32Array) => linearValues(row, classes, hidden);
  const [first, second] = [split(arrays.expAvg!), split(arrays.expAvgSq!)];
  const optimizer = {
    ...{ expAvgWeight: first.weight, expAvgBias: first.bias },
    ...{ expAvgSqWeight: second.weight, expAvgSqBias: second.bias },
    steps: steps[0]!,
  };
  return { ...split(arrays.value!), optimizer };
}

function stateOf({ weight, bias, optimizer }: HeadValues): GroupState {
  const row = (...parts: (Float32Array | undefined)[]) => {
    const joined = new Float32Array(weight.length + bias.length);
    if (parts[0]) joined.set(parts[0]);
    if (parts[1]) joined.set(parts[1], weight.length);
    return joined;
  };
  const arrays = {
    value: row(weight, bias),
    expAvg: row(optimizer?.expAvgWeight, optimizer?.expAvgBias),
    expAvgSq: row(optimizer?.expAvgSqWeight, optimizer?.expAvgSqBias),
  };
  return { arrays, steps: [optimizer?.steps ?? 0] };
}
