/** Options of a class head's functions, and its state. */
import { either, flag, needed, number, objectWith, text, type OptionKinds } from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { Scoring, StepOptions } from '../native/bindings/engine.js';
import { floats, metadata, precision, scoring } from './argument-kinds.js';
import type { OptimizerValues } from './head-file.js';
import type { HeadMetadata, Precision } from './head-metadata.js';
import type { ImageSize } from './image-size.js';

/** Device and precision of a head. */
export interface HeadPlacement {
  /**
   * Device, such as `cpu` or `cuda:0`. It must be the model's device, {@link SegmentationModel.device}. Default
   * `auto`: a CUDA device if there is one, else the CPU, as for a model.
   */
  device?: string;
  /** Precision of the linear layer: `bfloat16` (autocast) or `float32`. The weights are always float32. */
  precision?: Precision;
}

/** Options of `ClassHead.create`. */
export interface CreateHeadOptions extends HeadPlacement {
  /** Input width C: {@link SegmentationModel.hidden}. */
  hidden: number;
  /** A class set, or the number of outputs K. */
  classes: ClassSet | number;
  /** Seed of the xavier-uniform weights. Default 0. */
  seed?: number;
}

/** The complete state of a head: weights, gradients and AdamW's state. */
export interface ClassHeadState {
  /** Weight K×C, row by row. */
  weight: Float32Array;
  /** Bias, K values. */
  bias: Float32Array;
  /** Gradient of the weight, K×C, accumulated since the last step. */
  dWeight: Float32Array;
  /** Gradient of the bias, K values. */
  dBias: Float32Array;
  /** AdamW's moments and the number of steps taken. */
  optimizer: OptimizerValues;
}

export const stateKind = objectWith<ClassHeadState>('a state, as state() gives it', {
  ...{ weight: floats, bias: floats, dWeight: floats, dBias: floats },
  optimizer: objectWith<OptimizerValues>('the state of AdamW', {
    ...{ expAvgWeight: floats, expAvgBias: floats, expAvgSqWeight: floats, expAvgSqBias: floats },
    steps: number,
  }),
});

/** The kinds of {@link HeadPlacement}. */
export const headPlacement: OptionKinds<HeadPlacement> = { device: text, precision };

/** The kinds of {@link CreateHeadOptions}. */
export const createHeadOptions: OptionKinds<CreateHeadOptions> = {
  ...headPlacement,
  hidden: needed(number),
  classes: needed(either(classSetKind, number)),
  seed: number,
};

/** The kinds of what `ClassHead.ofModel` takes. */
export const ofModelOptions: OptionKinds<{ precision?: Precision }> = { precision };

/** The kinds of what `ClassHead.import` takes. */
export const importHeadOptions: OptionKinds<HeadPlacement & { classes?: ClassSet }> = {
  ...headPlacement,
  classes: classSetKind,
};

/** The kinds of what `ClassHead.save` takes. */
export const saveHeadOptions: OptionKinds<{ metadata?: Partial<HeadMetadata>; optimizer?: boolean }> = {
  metadata,
  optimizer: flag,
};

/** The kinds of what `ClassHead.step` takes. */
export const stepOptions: OptionKinds<Partial<StepOptions>> = {
  learningRate: number,
  weightDecay: number,
  beta1: number,
  beta2: number,
  epsilon: number,
  maxNorm: number,
};

/** The kinds of what `ClassHead.classMap` takes. */
export const classMapOptions: OptionKinds<JobOptions & ImageSize & { scoring?: Scoring }> = {
  width: needed(number),
  height: needed(number),
  scoring,
  ...jobOptions,
};
