/** A simple baseline: batch norm and a 1×1 convolution on the backbone's patch features. */
import { checkArgument, checkOptions, needed, number, oneOf, text, type OptionKinds } from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import type { ImageInput } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { HeadsHandle, LossResult } from '../native/bindings/engine.js';
import { metadata } from './argument-kinds.js';
import { resolveDevice } from './device.js';
import { joined, writeArrays } from './head-arrays.js';
import { isHeadFile, type HeadMetadata } from './head-metadata.js';
import { networkKind, type HeadNetwork } from './head-network.js';
import type { ImageSize } from './image-size.js';
import {
  probeValuesKind,
  readForeignProbe,
  readProbeFile,
  writeProbeFile,
  type ProbeLayers,
  type ProbeValues,
} from './probe-file.js';
import { NetworkOutputs } from './network-outputs.js';
import { SegmentationHead } from './segmentation-head.js';
import { segmentWithProbeOptions, type ClassMap, type SegmentWithProbeOptions } from './segment-options.js';
import { Tensor, tensorKind } from './tensor.js';

/** Device of a probe. */
export interface ProbePlacement {
  /**
   * Device, such as `cpu` or `cuda:0`. It must be the model's device, {@link SegmentationModel.device}. Default
   * `auto`: a CUDA device if there is one, else the CPU, as for a model.
   */
  device?: string;
}

/** A {@link SegmentationModel}, as a probe sees it. */
interface ProbeNetwork extends HeadNetwork {
  /** {@link SegmentationModel.segment} */
  segment(image: ImageInput, options: SegmentWithProbeOptions & { head: LinearProbe }): Promise<ClassMap>;
}

const probeMapOptions: OptionKinds<JobOptions & ImageSize> = {
  width: needed(number),
  height: needed(number),
  ...jobOptions,
};

const fromValuesOptions: OptionKinds<ProbePlacement & { metadata?: Partial<HeadMetadata> }> = {
  device: text,
  metadata,
};

const importProbeOptions: OptionKinds<ProbePlacement & { classes?: ClassSet; layers?: ProbeLayers }> = {
  device: text,
  classes: classSetKind,
  layers: oneOf<ProbeLayers>([1, 4]),
};

const saveProbeOptions: OptionKinds<{ metadata?: Partial<HeadMetadata> }> = { metadata };

/** The kinds of {@link ProbePlacement}. */
export const probePlacement: OptionKinds<ProbePlacement> = { device: text };

/**
 * A trained linear probe in float32, with the running statistics of its batch norm. It needs the backbone's
 * features only, without adapter, decoder and queries. Shapes: B batch, C width, K classes, h×w patches (H/16 ×
 * W/16). `dispose()` or `using` frees its memory; `await using` waits for its calls first.
 */
export class LinearProbe extends SegmentationHead {
  /** Width C of the features, of all layers together. */
  readonly width: number;
  /** Number of the backbone's layers whose features it reads: the last one, or the four tapped ones side by side. */
  readonly layers: ProbeLayers;
  /** Weights and running statistics. */
  readonly values: Readonly<ProbeValues>;
  /** @internal */
  readonly reads: 'features' | 'layer_features';
  /** There is no output for "no object". @internal */
  readonly scorings = ['recipe'] as const;

  private constructor(handle: HeadsHandle, device: string, values: ProbeValues, metadata: HeadMetadata) {
    super(handle, 'A linear probe', { classes: values.classes, device, metadata });
    this.width = values.width;
    this.layers = values.layers ?? 1;
    this.reads = this.layers === 4 ? 'layer_features' : 'features';
    this.values = values;
  }

  /**
   * Creates a probe from given values.
   *
   * @param options.metadata metadata of the probe; the precision is float32.
   * @throws DinoSegError SHAPE, HEAD_MISMATCH, DEVICE, OUT_OF_MEMORY.
   */
  static async from(
    values: ProbeValues,
    options: ProbePlacement & { metadata?: Partial<HeadMetadata> } = {},
  ): Promise<LinearProbe> {
    checkArgument(values, probeValuesKind, 'LinearProbe.from(values)');
    checkOptions(options, fromValuesOptions, 'LinearProbe.from()');
    const { classes, width, layers } = values;
    const { classSet = null } = options.metadata ?? {};
    if (classSet !== null && classSet.classes.length !== classes)
      throw new DinoSegError(
        'HEAD_MISMATCH',
        `The probe has ${classes} outputs, but the class set "${classSet.name}" has ${classSet.classes.length} classes.`,
      );
    const device = resolveDevice(options.device);
    checkLengths(values);
    const shape = { width, classes, ...(layers && { layers }) };
    const handle = engine().createHeads({ kind: 'linear_probe', ...shape, device, seeds: [0] });
    const { weight, bias, gamma, beta, runningMean, runningVar } = values;
    const value = joined(weight, bias, gamma, beta);
    const zeros = new Float32Array(value.length);
    const probe = new LinearProbe(handle, device, values, {
      ...options.metadata,
      classSet,
      precision: 'float32',
    });
    try {
      await writeArrays(handle, 1, {
        ...{ value, gradient: zeros, expAvg: zeros, expAvgSq: zeros, runningMean, runningVar },
      });
      return probe;
    } catch (error) {
      probe.dispose();
      throw error;
    }
  }

  /**
   * Reads a file written by {@link save}.
   *
   * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_FORMAT, CHECKPOINT_KEYS, HEAD_MISMATCH, DEVICE.
   */
  static async load(path: string, options: ProbePlacement = {}): Promise<LinearProbe> {
    checkArgument(path, text, 'LinearProbe.load(path)');
    checkOptions(options, probePlacement, 'LinearProbe.load()');
    const { values, metadata } = await readProbeFile(path);
    return LinearProbe.from(values, { ...options, metadata });
  }

  /**
   * Imports the linear head of any checkpoint with one batch norm `…batchnorm_layer` and, beside it, one 1×1 convolution
   * `conv` or `conv_seg`: DINOv3's own linear evaluation (`model_final.pth`), a state dict or a safetensors file.
   *
   * @param options.classes class set of the outputs, if it is known.
   * @param options.layers layers that it was trained on. Default 1.
   * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_*, HEAD_MISMATCH, DEVICE.
   */
  static async import(
    path: string,
    options: ProbePlacement & { classes?: ClassSet; layers?: ProbeLayers } = {},
  ): Promise<LinearProbe> {
    checkArgument(path, text, 'LinearProbe.import(path)');
    checkOptions(options, importProbeOptions, 'LinearProbe.import()');
    const { classes: classSet = null, layers = 1, ...placement } = options;
    const values = await readForeignProbe(path);
    return LinearProbe.from({ ...values, layers }, { ...placement, metadata: { classSet } });
  }

  /** Opens any file with a linear probe: {@link LinearProbe.load} for this package's files, {@link LinearProbe.import} for all others. */
  static async open(path: string, options: ProbePlacement = {}): Promise<LinearProbe> {
    checkArgument(path, text, 'LinearProbe.open(path)');
    checkOptions(options, probePlacement, 'LinearProbe.open()');
    const own = isHeadFile(await engine().inspect(path));
    return own ? LinearProbe.load(path, options) : LinearProbe.import(path, options);
  }

  /**
   * Computes scores (logits) B×K×h×w from features B×C×h×w ({@link SegmentationModel.features}, or
   * {@link SegmentationModel.layerFeatures} for a probe of four layers).
   *
   * @throws DinoSegError HEAD_MISMATCH for another width, DISPOSED; the signal's reason.
   */
  async forward(features: Tensor, options: JobOptions = {}): Promise<Tensor> {
    checkArgument(features, tensorKind, 'forward(features)');
    checkOptions(options, jobOptions, 'forward()');
    const { handle } = this;
    this.#checkWidth(features);
    const outputs = { features: features.handle };
    return Tensor.wrap(await this.run(options, (job) => engine().headsForward(handle, outputs, job)));
  }

  /**
   * Computes the cross entropy of the scores, resized bilinearly to the labels B×H×W (uint8, 255 is ignored).
   *
   * @throws DinoSegError HEAD_MISMATCH, SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async loss(features: Tensor, labels: Tensor, options: JobOptions = {}): Promise<LossResult> {
    checkArgument(features, tensorKind, 'loss(features)');
    checkArgument(labels, tensorKind, 'loss(labels)');
    checkOptions(options, jobOptions, 'loss()');
    this.#checkWidth(features);
    return this.lossOf(new NetworkOutputs(undefined, features), labels, options);
  }

  /**
   * Computes the best class of every pixel, B×height×width uint8, at any size in pixels.
   *
   * @throws DinoSegError HEAD_MISMATCH, MODEL_VALUES, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async classMap(features: Tensor, options: JobOptions & { width: number; height: number }): Promise<Tensor> {
    checkArgument(features, tensorKind, 'classMap(features)');
    checkOptions(options, probeMapOptions, 'classMap()');
    this.#checkWidth(features);
    return this.finiteMapOf(new NetworkOutputs(undefined, features), { ...options, scoring: 'recipe' });
  }

  /**
   * Computes the class map of one image at its own size with the model's backbone only:
   * {@link SegmentationModel.segment} with this probe.
   *
   * @param model a {@link SegmentationModel}.
   * @throws DinoSegError MODEL_FORMAT for a network without a method `features(images)`, and what
   *   {@link SegmentationModel.segment} throws.
   */
  async segment(
    model: ProbeNetwork,
    image: ImageInput,
    options: SegmentWithProbeOptions = {},
  ): Promise<ClassMap> {
    checkArgument(model, networkKind, 'LinearProbe.segment(model)');
    checkOptions(options, segmentWithProbeOptions, 'LinearProbe.segment()');
    return model.segment(image, { ...options, head: this });
  }

  /** The engine takes the last channels of features of four layers. Here nothing says how many layers they are of. */
  #checkWidth(features: Tensor): void {
    const [, width] = features.shape;
    if (features.shape.length === 4 && width !== this.width)
      throw new DinoSegError(
        'HEAD_MISMATCH',
        `The linear probe expects features B×${this.width}×h×w, got ${features.shape.join('×')}. ` +
          `Use ${this.layers === 4 ? 'layerFeatures()' : 'features()'} of the network that it was trained on.`,
      );
  }

  /**
   * Writes a head file (safetensors) atomically: to a temporary file, which is synced and renamed.
   *
   * @param options.metadata metadata to write in addition to the probe's own.
   * @throws DinoSegError DISK_FULL, IO.
   */
  async save(path: string, options: { metadata?: Partial<HeadMetadata> } = {}): Promise<void> {
    checkArgument(path, text, 'save(path)');
    checkOptions(options, saveProbeOptions, 'save()');
    await writeProbeFile(path, this.values, {
      ...this.metadata,
      ...options.metadata,
      precision: 'float32',
    });
  }
}

function checkLengths({ classes, width, layers: _, ...arrays }: ProbeValues): void {
  for (const [name, { length }] of Object.entries(arrays)) {
    const expected = name === 'weight' ? classes * width : name === 'bias' ? classes : width;
    if (length === expected) continue;
    throw new DinoSegError(
      'SHAPE',
      `"${name}" of a linear probe of ${classes} classes and width ${width} should have ${expected} elements, not ${length}.`,
    );
  }
}
