/** The trained layer: class_embed, a Linear(hidden → classes) on the queries of the frozen network. */
import { checkArgument, checkOptions, instanceOf, text } from '../arguments.js';
import type { ClassSet } from '../data/class-set.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { HeadsHandle, LossResult, Scoring, StepOptions } from '../native/bindings/engine.js';
import * as kinds from './class-head-options.js';
import type { ClassHeadState, CreateHeadOptions, HeadPlacement } from './class-head-options.js';
import { decodedKind, type DecodedImages } from './decoded-images.js';
import { resolveDevice } from './device.js';
import { joined, layerOf, readArrays, writeArrays } from './head-arrays.js';
import { readForeignHead, readHeadFile, writeHeadFile, type HeadValues } from './head-file.js';
import { isHeadFile, type HeadMetadata, type Precision } from './head-metadata.js';
import { networkKind, type HeadNetwork } from './head-network.js';
import { NetworkOutputs } from './network-outputs.js';
import { SegmentationHead } from './segmentation-head.js';
import { Tensor, tensorKind } from './tensor.js';

/** Result of {@link ClassHead.step}. */
export interface StepResult {
  /** Global norm of the gradients before clipping. */
  gradNorm: number;
}

/** Defaults of AdamW and clipping, as in docs/recipe.md. */
export const defaultStepOptions: Readonly<StepOptions> = {
  learningRate: 1e-4,
  weightDecay: 1e-4,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  maxNorm: 1,
};

/** Options of every class head in the engine. */
const layer = { kind: 'class_embed', losses: ['cross-entropy'] } as const;

interface HeadDescription {
  hidden: number;
  classes: number;
  device: string;
  metadata: HeadMetadata;
}

/**
 * A class_embed head with its gradients and optimiser state. Shapes: B batch, Q queries, C hidden, K classes.
 * `dispose()` or `using` frees its memory; `await using` waits for its calls first. Calls that change the head
 * (`backward`, `accumulate`, `step`, `restore`) cannot be cancelled.
 */
export class ClassHead extends SegmentationHead {
  /** Input width C. */
  readonly hidden: number;
  /** @internal */
  readonly reads = 'decoded';
  /** @internal */
  readonly scorings = ['recipe', 'ade20k'] as const;
  #steps = 0;

  private constructor(handle: HeadsHandle, description: HeadDescription) {
    super(handle, 'A class head', description);
    this.hidden = description.hidden;
  }

  /**
   * Creates a head with xavier-uniform weights (`seed`) and zero bias.
   *
   * @throws DinoSegError INVALID_ARGUMENT, DEVICE, OUT_OF_MEMORY.
   */
  static create(options: CreateHeadOptions): ClassHead {
    checkOptions(options, kinds.createHeadOptions, 'ClassHead.create()');
    const { hidden, seed = 0, precision = 'bfloat16' } = options;
    const device = resolveDevice(options.device);
    const classSet = typeof options.classes === 'number' ? null : options.classes;
    const classes = typeof options.classes === 'number' ? options.classes : options.classes.classes.length;
    const handle = engine().createHeads({
      ...layer,
      width: hidden,
      classes,
      device,
      precision,
      seeds: [seed],
    });
    return new ClassHead(handle, { hidden, classes, device, metadata: { classSet, precision } });
  }

  /**
   * Copies the model's own class_embed, on the model's device.
   *
   * @param model a {@link SegmentationModel}.
   * @throws DinoSegError DISPOSED, OUT_OF_MEMORY
   */
  static ofModel(model: HeadNetwork, options: { precision?: Precision } = {}): ClassHead {
    checkArgument(model, networkKind, 'ClassHead.ofModel(model)');
    checkOptions(options, kinds.ofModelOptions, 'ClassHead.ofModel()');
    const precision = options.precision ?? (model.dtype === 'float32' ? 'float32' : 'bfloat16');
    const { hidden, classes, device, id: modelId } = model;
    const handle = engine().headOfModel(model.handle, precision);
    return new ClassHead(handle, {
      hidden,
      classes,
      device,
      metadata: { classSet: null, precision, modelId },
    });
  }

  /**
   * Reads a head file of this package, including AdamW's moments if it has them.
   *
   * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_FORMAT for other files (see {@link ClassHead.import}),
   *   CHECKPOINT_KEYS, HEAD_MISMATCH, DEVICE.
   */
  static async load(path: string, options: HeadPlacement = {}): Promise<ClassHead> {
    checkArgument(path, text, 'ClassHead.load(path)');
    checkOptions(options, kinds.headPlacement, 'ClassHead.load()');
    const { values, metadata } = await readHeadFile(path);
    return ClassHead.#fromValues(values, metadata, options);
  }

  /**
   * Imports the head from any checkpoint with exactly one `…class_embed.weight` (K×C) and `.bias` (K): a Python
   * fine-tuning checkpoint (.pth with `model_state_dict`), a released head file, a state dict or a safetensors
   * file.
   *
   * @param options.classes class set of the outputs, if it is known.
   * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_*, HEAD_MISMATCH, DEVICE.
   */
  static async import(
    path: string,
    options: HeadPlacement & { classes?: ClassSet } = {},
  ): Promise<ClassHead> {
    checkArgument(path, text, 'ClassHead.import(path)');
    checkOptions(options, kinds.importHeadOptions, 'ClassHead.import()');
    const values = await readForeignHead(path);
    const { classes } = options;
    const { precision = 'bfloat16' } = options;
    return ClassHead.#fromValues(values, { classSet: classes ?? null, precision }, options);
  }

  /** Opens any head file: {@link ClassHead.load} for this package's files, {@link ClassHead.import} for all others. */
  static async open(path: string, options: HeadPlacement = {}): Promise<ClassHead> {
    checkArgument(path, text, 'ClassHead.open(path)');
    checkOptions(options, kinds.headPlacement, 'ClassHead.open()');
    const own = isHeadFile(await engine().inspect(path));
    return own ? ClassHead.load(path, options) : ClassHead.import(path, options);
  }

  static async #fromValues(
    values: HeadValues,
    metadata: HeadMetadata,
    options: HeadPlacement,
  ): Promise<ClassHead> {
    const { classes, hidden, optimizer } = values;
    const precision = options.precision ?? metadata.precision;
    const device = resolveDevice(options.device);
    using weight = Tensor.from(values.weight, [1, classes, hidden]);
    using bias = Tensor.from(values.bias, [1, classes]);
    const given = { weight: weight.handle, bias: bias.handle };
    const handle = engine().createHeads({ ...layer, width: hidden, classes, device, precision, ...given });
    const head = new ClassHead(handle, { hidden, classes, device, metadata: { ...metadata, precision } });
    try {
      if (optimizer) await head.restore({ ...emptyState(classes, hidden), ...values, optimizer });
      return head;
    } catch (error) {
      head.dispose();
      throw error;
    }
  }

  /** Precision of the linear layer. */
  get precision(): Precision {
    return this.metadata.precision;
  }

  /** Computes logits B×Q×K (float32) from queries B×Q×C. @throws DinoSegError SHAPE, DISPOSED */
  async forward(queries: Tensor, options: JobOptions = {}): Promise<Tensor> {
    checkArgument(queries, tensorKind, 'forward(queries)');
    checkOptions(options, jobOptions, 'forward()');
    const { handle } = this;
    const outputs = { queries: queries.handle };
    return Tensor.wrap(await this.run(options, (job) => engine().headsForward(handle, outputs, job)));
  }

  /** Adds to the gradients, given queries B×Q×C and the gradient of the logits B×Q×K. @throws DinoSegError SHAPE, DISPOSED */
  async backward(queries: Tensor, dLogits: Tensor): Promise<void> {
    checkArgument(queries, tensorKind, 'backward(queries)');
    checkArgument(dLogits, tensorKind, 'backward(dLogits)');
    await this.calls.add(engine().headsBackward(this.handle, queries.handle, dLogits.handle));
  }

  /**
   * Computes the cross entropy of the dense scores (docs/recipe.md) for labels B×H×W (uint8, 255 is ignored).
   *
   * @throws DinoSegError SHAPE, LABEL_VALUE, OUT_OF_MEMORY, DISPOSED.
   */
  async loss(decoded: DecodedImages, labels: Tensor, options: JobOptions = {}): Promise<LossResult> {
    checkArgument(decoded, decodedKind, 'loss(decoded)');
    checkArgument(labels, tensorKind, 'loss(labels)');
    checkOptions(options, jobOptions, 'loss()');
    return this.lossOf(new NetworkOutputs(decoded, undefined), labels, options);
  }

  /** Computes {@link loss} and adds its gradient, times `scale` (default 1), to the head's gradients. */
  async accumulate(decoded: DecodedImages, labels: Tensor, scale = 1): Promise<LossResult> {
    checkArgument(decoded, decodedKind, 'accumulate(decoded)');
    checkArgument(labels, tensorKind, 'accumulate(labels)');
    const batch = { ...decoded.handles, labels: labels.handle };
    const { loss, weight } = await this.calls.add(engine().headsAccumulate(this.handle, batch, scale));
    return { loss: loss[0]!, pixels: weight[0]! };
  }

  /**
   * Clips the gradients, takes one AdamW step and resets the gradients.
   *
   * @throws DinoSegError DISPOSED.
   */
  async step(options: Partial<StepOptions> = {}): Promise<StepResult> {
    checkOptions(options, kinds.stepOptions, 'step()');
    const steps = this.#steps + 1;
    const all = [{ ...defaultStepOptions, ...options }];
    this.copies.changed();
    const norms = await this.calls.add(engine().headsStep(this.handle, all, [steps], [true], true));
    this.#steps = steps;
    return { gradNorm: norms[0]! };
  }

  /**
   * Computes the best class of every pixel, B×height×width uint8, at any size in pixels. `scoring`: default
   * `recipe`.
   *
   * @throws DinoSegError SHAPE, MODEL_VALUES, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async classMap(
    decoded: DecodedImages,
    options: JobOptions & { width: number; height: number; scoring?: Scoring },
  ): Promise<Tensor> {
    checkArgument(decoded, decodedKind, 'classMap(decoded)');
    checkOptions(options, kinds.classMapOptions, 'classMap()');
    return this.finiteMapOf(new NetworkOutputs(decoded, undefined), { scoring: 'recipe', ...options });
  }

  /** Copies weights, gradients and optimiser state. @throws DinoSegError DISPOSED */
  async state(): Promise<ClassHeadState> {
    const arrays = await this.calls.add(readArrays(this.handle));
    const layer = (row: Float32Array) => layerOf(row, { classes: this.classes, width: this.hidden });
    const [value, gradient] = [layer(arrays.value), layer(arrays.gradient)];
    const [first, second] = [layer(arrays.expAvg), layer(arrays.expAvgSq)];
    return {
      ...value,
      ...{ dWeight: gradient.weight, dBias: gradient.bias },
      optimizer: {
        ...{ expAvgWeight: first.weight, expAvgBias: first.bias },
        ...{ expAvgSqWeight: second.weight, expAvgSqBias: second.bias },
        steps: this.#steps,
      },
    };
  }

  /** Replaces weights, gradients and optimiser state. @throws DinoSegError SHAPE, DISPOSED */
  async restore(state: ClassHeadState): Promise<void> {
    checkArgument(state, kinds.stateKind, 'restore(state)');
    const row = (weight: Float32Array, bias: Float32Array) => {
      if (weight.length !== this.classes * this.hidden || bias.length !== this.classes)
        throw new DinoSegError(
          'SHAPE',
          `The state of this head has a weight of ${this.classes}×${this.hidden} and a bias of ${this.classes} values; got ` +
            `${weight.length} and ${bias.length} values.`,
        );
      return joined(weight, bias);
    };
    const { optimizer } = state;
    const arrays = {
      value: row(state.weight, state.bias),
      gradient: row(state.dWeight, state.dBias),
      expAvg: row(optimizer.expAvgWeight, optimizer.expAvgBias),
      expAvgSq: row(optimizer.expAvgSqWeight, optimizer.expAvgSqBias),
    };
    this.copies.changed();
    await this.calls.add(writeArrays(this.handle, 1, arrays));
    this.#steps = optimizer.steps;
  }

  /**
   * Writes a head file (safetensors) atomically: to a temporary file, which is synced and renamed.
   *
   * @param options.metadata metadata to write in addition to the head's own.
   * @param options.optimizer whether to include AdamW's moments. Default: false.
   * @throws DinoSegError DISK_FULL, IO, DISPOSED.
   */
  async save(
    path: string,
    options: { metadata?: Partial<HeadMetadata>; optimizer?: boolean } = {},
  ): Promise<void> {
    checkArgument(path, text, 'save(path)');
    checkOptions(options, kinds.saveHeadOptions, 'save()');
    const { weight, bias, optimizer } = await this.state();
    const values = { classes: this.classes, hidden: this.hidden, weight, bias };
    await writeHeadFile(path, options.optimizer ? { ...values, optimizer } : values, {
      ...this.metadata,
      ...options.metadata,
    });
  }
}

export const classHeadKind = instanceOf('a ClassHead', () => ClassHead);

function emptyState(classes: number, hidden: number): { dWeight: Float32Array; dBias: Float32Array } {
  return { dWeight: new Float32Array(classes * hidden), dBias: new Float32Array(classes) };
}
