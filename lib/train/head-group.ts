/** Heads of one kind that are trained side by side on a cache's records. */
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type {
  HeadsHandle,
  HeadsState,
  RecordStoreHandle,
  StepOptions,
  TrainingPlanResult,
} from '../native/surface.js';
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

/** What all heads of a group have in common. Legend: R outputs, C hidden. */
export interface GroupOptions {
  hidden: number;
  /** Classes, without "no object". */
  classes: number;
  device: string;
  precision: 'bfloat16' | 'float32';
  /** R×C and R that all begin with. */
  weight: Float32Array;
  bias: Float32Array;
}

/** N×P each, and steps N: all that a group is. */
export interface GroupState {
  value: Float32Array;
  expAvg: Float32Array;
  expAvgSq: Float32Array;
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
    return this.options.bias.length;
  }

  /** Parameters of a head: weight R×C, then bias R. */
  get parameters(): number {
    return this.options.weight.length + this.outputs;
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

  /** A copy. Gradients are not in it: between steps they are zero. */
  async state(): Promise<GroupState> {
    const { value, gradient, expAvg, expAvgSq } = await engine().headsState(this.#handle);
    engine().dispose(gradient);
    const read = async (handle: HeadsState['value']) => (await Tensor.wrap(handle).take()) as Float32Array;
    return {
      value: await read(value),
      expAvg: await read(expAvg),
      expAvgSq: await read(expAvgSq),
      steps: [...this.steps],
    };
  }

  async restore(state: GroupState): Promise<void> {
    const shape = [this.settings.length, this.parameters];
    using value = Tensor.from(state.value, shape);
    using expAvg = Tensor.from(state.expAvg, shape);
    using expAvgSq = Tensor.from(state.expAvgSq, shape);
    using gradient = Tensor.from(new Float32Array(state.value.length), shape);
    await engine().headsRestore(this.#handle, {
      value: value.handle,
      expAvg: expAvg.handle,
      expAvgSq: expAvgSq.handle,
      gradient: gradient.handle,
    });
    this.steps = [...state.steps];
  }

  [Symbol.dispose](): void {
    engine().dispose(this.#handle);
  }
}

function createHandle(settings: readonly HeadSettings[], options: GroupOptions): HeadsHandle {
  const { hidden, classes, device, precision } = options;
  const heads = settings.length;
  const outputs = options.bias.length;
  const repeated = (values: Float32Array) =>
    Float32Array.from({ length: heads * values.length }, (_, i) => values[i % values.length]!);
  using weight = Tensor.from(repeated(options.weight), [heads, outputs, hidden]);
  using bias = Tensor.from(repeated(options.bias), [heads, outputs]);
  const weighted = settings.some(({ classWeights }) => classWeights !== null);
  using classWeights = weighted
    ? Tensor.from(
        Float32Array.from(
          settings.flatMap((each) => [...(each.classWeights ?? new Array<number>(classes).fill(1))]),
        ),
        [heads, classes],
      )
    : undefined;
  const common = { hidden, classes, device, precision, weight: weight.handle, bias: bias.handle };
  const given = classWeights ? { ...common, classWeights: classWeights.handle } : common;
  const losses = settings.map(({ loss }) => loss).filter((loss) => loss !== 'mask2former');
  return losses.length > 0
    ? engine().createHeads({ ...given, kind: 'class_embed', losses })
    : engine().createHeads({ ...given, kind: 'mask2former' });
}
