/** Heads of one kind that are trained side by side. */
import { readArrays, writeArrays, type HeadArrays } from '../model/head-arrays.js';
import type { HeadNetwork } from '../model/head-network.js';
import type { NetworkOutputs, OutputPart } from '../model/network-outputs.js';
import type { ProbeLayers } from '../model/probe-file.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type {
  HeadsEvaluation,
  HeadsHandle,
  RecordStoreHandle,
  StepOptions,
  TrainingPlan,
  TrainingPlanResult,
} from '../native/bindings/engine.js';
import type { HeadKind, LossName } from './config.js';

/** What may differ between heads that are trained together. */
export interface HeadSettings {
  loss: LossName;
  learningRate: number;
  weightDecay: number;
  maxNorm: number;
  /** By class; null: all 1. */
  classWeights: readonly number[] | null;
}

/** What all heads of a group have in common. Legend: R outputs, C width of queries or features. */
export interface GroupOptions {
  kind: 'class_embed' | 'mask2former' | 'linear_probe';
  /** C. */
  width: number;
  /** Classes, without "no object". */
  classes: number;
  device: string;
  /** Layers of the backbone that a linear probe's features are of; default 1. */
  layers?: ProbeLayers;
  /** Of class_embed's linear layer; a linear probe is float32. */
  precision: 'bfloat16' | 'float32';
  /** R×C and R that all heads begin with; or the seed of random ones. */
  initial: { weight: Float32Array; bias: Float32Array } | { seed: number };
}

/** The part of the network's outputs that a kind of head reads, which is also what a cache for it contains. */
export function readsOf(kind: HeadKind | 'mask2former', layers: ProbeLayers = 1): OutputPart {
  if (kind !== 'linear_probe') return 'decoded';
  return layers === 4 ? 'layer_features' : 'features';
}

/** State of N heads between two steps, when their gradients are zero: arrays of N rows, and N step counts. */
export interface GroupState {
  arrays: Omit<HeadArrays, 'gradient'>;
  steps: number[];
}

/** Called for each image and head with the loss (null without labelled pixels) and the K×K counts. */
export type EachResult = (image: number, head: number, loss: number | null, confusion: Float64Array) => void;

/** N heads with their optimiser state. */
export class HeadGroup implements Disposable {
  /** AdamW steps that each head has taken. */
  steps: number[];
  readonly #handle: HeadsHandle;

  constructor(
    readonly settings: readonly HeadSettings[],
    readonly options: GroupOptions,
  ) {
    this.steps = settings.map(() => 0);
    this.#handle = createHandle(settings, options);
  }

  /** What the heads read of the network's outputs. */
  get reads(): OutputPart {
    return readsOf(this.options.kind, this.options.layers);
  }

  /** Outputs of a head. */
  get outputs(): number {
    const { kind, classes } = this.options;
    return kind === 'mask2former' ? classes + 1 : classes;
  }

  /**
   * Checks that a network gives what the heads read, in their width. @throws DinoSegError MODEL_FORMAT, HEAD_MISMATCH
   */
  assertFits({ handle }: HeadNetwork): void {
    engine().checkFits(handle, this.#handle);
  }

  /** Trains on a cache's records: as `trainCached`. */
  async trainCached(
    store: RecordStoreHandle,
    plan: Omit<TrainingPlan, 'options' | 'steps'>,
    seconds: number,
  ): Promise<TrainingPlanResult> {
    const options = this.#stepOptions();
    const all = { ...plan, options, steps: this.steps };
    const result = await engine().trainCached(this.#handle, store, all, seconds);
    this.steps = result.steps;
    return result;
  }

  /** Adds `scale` times the gradient of each head's mean loss. @returns the losses, N */
  async accumulate(
    outputs: NetworkOutputs,
    labels: Tensor,
    scale: number,
    include?: Tensor,
  ): Promise<Float64Array> {
    const batch = { ...outputs.handles, labels: labels.handle };
    const { loss } = await engine().headsAccumulate(this.#handle, batch, scale, include?.handle);
    return loss;
  }

  /** Takes a step of the active heads. @returns the gradients' norms before clipping, N */
  async step(learningRates: Float64Array, active: readonly boolean[]): Promise<Float32Array> {
    const options = this.#stepOptions().map((each, i) => ({ ...each, learningRate: learningRates[i]! }));
    const steps = this.steps.map((taken, i) => taken + (active[i] ? 1 : 0));
    // The engine corrects the moments by steps from 1; heads that take none have no use for them.
    const counted = steps.map((taken) => Math.max(1, taken));
    const norms = await engine().headsStep(this.#handle, options, counted, active);
    this.steps = steps;
    return norms;
  }

  /** Evaluates the heads on records of a cache. */
  async evaluateCached(store: RecordStoreHandle, records: Int32Array, each: EachResult): Promise<void> {
    this.#tell(await engine().evaluateCached(this.#handle, store, records), each);
  }

  /** Evaluates the heads on what the network gave for some images. */
  async evaluate(outputs: NetworkOutputs, labels: Tensor, each: EachResult): Promise<void> {
    const batch = { ...outputs.handles, labels: labels.handle };
    this.#tell(await engine().headsEvaluate(this.#handle, batch), each);
  }

  #tell({ losses, confusion }: HeadsEvaluation, each: EachResult): void {
    const heads = this.settings.length;
    const cells = this.options.classes ** 2;
    for (let i = 0; i < losses.length / 2; i++) {
      const [sum, weight] = [losses[2 * i]!, losses[2 * i + 1]!];
      const counts = confusion.subarray(i * cells, (i + 1) * cells);
      each(Math.floor(i / heads), i % heads, weight > 0 ? sum / weight : null, counts);
    }
  }

  /** A copy. */
  async state(): Promise<GroupState> {
    const { gradient: _, ...arrays } = await readArrays(this.#handle);
    return { arrays, steps: [...this.steps] };
  }

  /** @throws DinoSegError HEAD_MISMATCH */
  async restore({ arrays, steps }: GroupState): Promise<void> {
    const gradient = new Float32Array(arrays.value.length);
    await writeArrays(this.#handle, this.settings.length, { ...arrays, gradient });
    this.steps = [...steps];
  }

  #stepOptions(): StepOptions[] {
    return this.settings.map(({ learningRate, weightDecay, maxNorm }) => ({
      ...{ learningRate, weightDecay, maxNorm },
      ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    }));
  }

  [Symbol.dispose](): void {
    engine().dispose(this.#handle);
  }
}

function createHandle(settings: readonly HeadSettings[], options: GroupOptions): HeadsHandle {
  const { kind, width, layers = 1, classes, device, precision, initial } = options;
  const heads = settings.length;
  using classWeights = classWeightsOf(settings, classes);
  const common = { width, classes, device, ...(classWeights && { classWeights: classWeights.handle }) };
  const seeds = 'seed' in initial ? settings.map(() => initial.seed) : [];
  if (kind === 'linear_probe') return engine().createHeads({ ...common, kind, layers, seeds });
  const losses = settings.map(({ loss }) => loss).filter((loss) => loss !== 'mask2former');
  const linear = { ...common, kind, precision, ...(losses.length > 0 && { losses }) };
  if ('seed' in initial) return engine().createHeads({ ...linear, seeds });
  using weight = Tensor.from(repeated(initial.weight, heads), [heads, initial.bias.length, width]);
  using bias = Tensor.from(repeated(initial.bias, heads), [heads, initial.bias.length]);
  return engine().createHeads({ ...linear, weight: weight.handle, bias: bias.handle });
}

/** N×K; undefined where all are 1. */
function classWeightsOf(settings: readonly HeadSettings[], classes: number): Tensor | undefined {
  if (settings.every(({ classWeights }) => classWeights === null)) return undefined;
  const ones = new Array<number>(classes).fill(1);
  const all = settings.flatMap((each) => [...(each.classWeights ?? ones)]);
  return Tensor.from(Float32Array.from(all), [settings.length, classes]);
}

function repeated(values: Float32Array, times: number): Float32Array {
  const all = new Float32Array(times * values.length);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
}
