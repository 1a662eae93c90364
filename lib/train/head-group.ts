/** Heads of one kind that are trained side by side on a cache's records. */
import { withTensors, type ShapedFloats } from '../model/float-file.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type {
  HeadsHandle,
  HeadsState,
  RecordStoreHandle,
  StepOptions,
  TrainingPlanResult,
} from '../native/bindings/engine.js';
import type { LossName } from './config.js';

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
  /** C. */
  width: number;
  /** Classes, without "no object". */
  classes: number;
  device: string;
  /** Of class_embed's linear layer; a linear probe is float32. */
  precision: 'bfloat16' | 'float32';
  /** R×C and R that all heads begin with; or the seed of linear probes. */
  initial: { weight: Float32Array; bias: Float32Array } | { seed: number };
}

/** Arrays of a group that a state holds; running statistics are those of linear probes. */
const stateNames = ['value', 'expAvg', 'expAvgSq', 'runningMean', 'runningVar'] as const;
type StateName = (typeof stateNames)[number];

/** All that N heads are between two steps, when their gradients are zero: arrays of N rows, and steps N. */
export interface GroupState {
  arrays: Partial<Record<StateName, Float32Array>>;
  steps: number[];
}

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

  /** Outputs of a head. */
  get outputs(): number {
    const { initial, classes } = this.options;
    return 'seed' in initial ? classes : initial.bias.length;
  }

  /** As `trainCached`; learning rates S×N. */
  async train(
    store: RecordStoreHandle,
    plan: {
      records: Int32Array;
      batchSize: number;
      accumulate: number;
      learningRates: Float64Array;
      folds?: Int32Array;
    },
    seconds: number,
  ): Promise<TrainingPlanResult> {
    const options = this.settings.map(({ learningRate, weightDecay, maxNorm }): StepOptions => ({
      learningRate,
      weightDecay,
      maxNorm,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
    }));
    const result = await engine().trainCached(
      this.#handle,
      store,
      { ...plan, options, steps: this.steps },
      seconds,
    );
    this.steps = result.steps;
    return result;
  }

  /** Loss (null where nothing counts) and K×K counts of each record under each head: `each(record, head, …)`. */
  async evaluate(
    store: RecordStoreHandle,
    records: Int32Array,
    each: (index: number, head: number, loss: number | null, confusion: Float64Array) => void,
  ): Promise<void> {
    const { losses, confusion } = await engine().evaluateCached(this.#handle, store, records);
    const heads = this.settings.length;
    const cells = this.options.classes ** 2;
    for (let i = 0; i < records.length * heads; i++) {
      const [sum, weight] = [losses[2 * i]!, losses[2 * i + 1]!];
      const counts = confusion.subarray(i * cells, (i + 1) * cells);
      each(Math.floor(i / heads), i % heads, weight > 0 ? sum / weight : null, counts);
    }
  }

  /** A copy. */
  async state(): Promise<GroupState> {
    const handles = await engine().headsState(this.#handle);
    engine().dispose(handles.gradient);
    const state: GroupState = { arrays: {}, steps: [...this.steps] };
    for (const name of stateNames) {
      const handle = handles[name];
      if (handle) state.arrays[name] = (await Tensor.wrap(handle).take()) as Float32Array;
    }
    return state;
  }

  /** The row of one head in the arrays of a state. */
  row(state: GroupState, slot: number): Partial<Record<StateName, Float32Array>> {
    const rows = Object.entries(state.arrays).map(([name, array]) => {
      const length = array.length / this.settings.length;
      return [name, array.slice(slot * length, (slot + 1) * length)] as const;
    });
    return Object.fromEntries(rows);
  }

  async restore(state: GroupState): Promise<void> {
    const heads = this.settings.length;
    const value = state.arrays.value!;
    const all = { ...state.arrays, gradient: new Float32Array(value.length) };
    const arrays: Record<string, ShapedFloats> = {};
    for (const [name, data] of Object.entries(all))
      arrays[name] = { data, shape: [heads, data.length / heads] };
    await withTensors(arrays, (tensors) =>
      engine().headsRestore(this.#handle, tensors as unknown as HeadsState),
    );
    this.steps = [...state.steps];
  }

  [Symbol.dispose](): void {
    engine().dispose(this.#handle);
  }
}

function createHandle(settings: readonly HeadSettings[], options: GroupOptions): HeadsHandle {
  const { width, classes, device, precision, initial } = options;
  const heads = settings.length;
  const weighted = settings.some(({ classWeights }) => classWeights !== null);
  const ones = new Array<number>(classes).fill(1);
  using classWeights = weighted
    ? Tensor.from(Float32Array.from(settings.flatMap((each) => [...(each.classWeights ?? ones)])), [
        heads,
        classes,
      ])
    : undefined;
  const common = { classes, device, ...(classWeights && { classWeights: classWeights.handle }) };
  if ('seed' in initial) {
    const seeds = settings.map(() => initial.seed);
    return engine().createHeads({ ...common, kind: 'linear_probe', width, seeds });
  }
  const outputs = initial.bias.length;
  using weight = Tensor.from(repeated(initial.weight, heads), [heads, outputs, width]);
  using bias = Tensor.from(repeated(initial.bias, heads), [heads, outputs]);
  const linear = { ...common, hidden: width, precision, weight: weight.handle, bias: bias.handle };
  const losses = settings.map(({ loss }) => loss).filter((loss) => loss !== 'mask2former');
  return losses.length > 0
    ? engine().createHeads({ ...linear, kind: 'class_embed', losses })
    : engine().createHeads({ ...linear, kind: 'mask2former' });
}

function repeated(values: Float32Array, times: number): Float32Array {
  const all = new Float32Array(times * values.length);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
}
