/** Kinds of what the functions on networks and heads take. */
import {
  either,
  flag,
  instanceOf,
  needed,
  number,
  objectWith,
  oneOf,
  text,
  type Kind,
  without,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { Scoring, StepOptions } from '../native/surface.js';
import { ClassHead, type ClassHeadState, type CreateHeadOptions, type HeadPlacement } from './class-head.js';
import type { ConvertModelOptions } from './convert.js';
import { DecodedImages } from './decoded-images.js';
import type { DetectOptions, DetectorLoadOptions, DetectorRunOptions } from './detection-model.js';
import type { ForwardFileOptions } from './forward-file.js';
import type { OptimizerValues } from './head-file.js';
import type { HeadMetadata, Precision } from './head-metadata.js';
import type { ImageSize } from './image-size.js';
import {
  type Architecture,
  type DetectorArchitecture,
  type InitModelOptions,
  type RandomNetworkOptions,
} from './init-model.js';
import { LinearProbe, type ProbePlacement, type SegmentWithProbeOptions } from './linear-probe.js';
import { networkPrecisions } from './network-precision.js';
import type { SegmentationHead } from './open-head.js';
import type { ProbeValues } from './probe-file.js';
import {
  SegmentationModel,
  type LoadOptions,
  type ScoreImageOptions,
  type ScoringOptions,
  type SegmentImageOptions,
  type Stride,
} from './segmentation-model.js';
import { Tensor } from './tensor.js';

export const modelKind = instanceOf('a SegmentationModel', () => SegmentationModel);
export const classHeadKind = instanceOf('a ClassHead', () => ClassHead);
export const probeKind = instanceOf('a LinearProbe', () => LinearProbe);
export const headKind: Kind<SegmentationHead> = either(classHeadKind, probeKind);
export const tensorKind = instanceOf('a Tensor', () => Tensor);
export const decodedKind = instanceOf('DecodedImages', () => DecodedImages);

const side = objectWith<ImageSize>('{width, height}', { width: number, height: number });
export const imageSize = either(number, side);
export const scoring = oneOf<Scoring>(['recipe', 'ade20k']);
const precision = oneOf<Precision>(['bfloat16', 'float32']);
const metadata = objectWith<Partial<HeadMetadata>>('an object', {});

const floats = instanceOf('a Float32Array', () => Float32Array);

export const stateKind = objectWith<ClassHeadState>('a state, as state() gives it', {
  ...{ weight: floats, bias: floats, dWeight: floats, dBias: floats },
  optimizer: objectWith<OptimizerValues>('the state of AdamW', {
    ...{ expAvgWeight: floats, expAvgBias: floats, expAvgSqWeight: floats, expAvgSqBias: floats },
    steps: number,
  }),
});

export const probeValuesKind = objectWith<ProbeValues>('the values of a linear probe', {
  ...{ classes: number, width: number, weight: floats, bias: floats },
  ...{ gamma: floats, beta: floats, runningMean: floats, runningVar: floats },
});

const waysToRun = { precision: oneOf(networkPrecisions), cudaGraphs: flag };

/** The kinds of {@link LoadOptions}. */
export const loadOptions: OptionKinds<LoadOptions> = {
  device: text,
  dtype: oneOf(['stored', 'float32', 'bfloat16']),
  ...waysToRun,
  ...jobOptions,
};

function randomNetworkOptions<A extends string>(): OptionKinds<RandomNetworkOptions<A>> {
  return {
    // The engine refuses other names, and lists them.
    arch: needed(text as unknown as Kind<A>),
    seed: number,
    dtype: oneOf(['float32', 'bfloat16']),
    device: text,
    ...jobOptions,
  } as OptionKinds<RandomNetworkOptions<A>>;
}

/** The kinds of what `SegmentationModel.init` takes. */
export const initOptions: OptionKinds<
  RandomNetworkOptions<Architecture> & Pick<LoadOptions, 'precision' | 'cudaGraphs'>
> = { ...randomNetworkOptions<Architecture>(), ...waysToRun };

/** The kinds of {@link InitModelOptions}. */
export const initModelOptions: OptionKinds<InitModelOptions> = {
  ...randomNetworkOptions<Architecture | DetectorArchitecture>(),
  out: needed(text),
};

const scoringOptions: OptionKinds<ScoringOptions> = { head: headKind, scoring, imageSize, ...jobOptions };
const stride = either(number, objectWith<Stride>('{x, y}', { x: number, y: number }));

/** The kinds of {@link SegmentImageOptions}. */
export const segmentImageOptions: OptionKinds<SegmentImageOptions> = {
  ...scoringOptions,
  mode: oneOf(['whole', 'slide']),
  stride,
  passSize: number,
};

/** The kinds of {@link ScoreImageOptions}. */
export const scoreImageOptions: OptionKinds<ScoreImageOptions> = { ...scoringOptions, outputSize: imageSize };

const detectorRunOptions: OptionKinds<DetectorRunOptions> = { shareWith: modelKind, cudaGraphs: flag };

/** The kinds of {@link DetectorLoadOptions}. */
export const detectorLoadOptions: OptionKinds<DetectorLoadOptions> = {
  device: text,
  dtype: oneOf(['stored', 'float32', 'bfloat16']),
  ...detectorRunOptions,
  ...jobOptions,
};

/** The kinds of what `DetectionModel.init` takes. */
export const detectorInitOptions: OptionKinds<
  RandomNetworkOptions<DetectorArchitecture> & DetectorRunOptions
> = { ...randomNetworkOptions<DetectorArchitecture>(), ...detectorRunOptions };

/** The kinds of {@link DetectOptions}. */
export const detectOptions: OptionKinds<DetectOptions> = {
  threshold: number,
  top: number,
  imageSize,
  ...jobOptions,
};

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

/** The kinds of what `LinearProbe.classMap` takes. */
export const probeMapOptions: OptionKinds<JobOptions & ImageSize> = {
  width: needed(number),
  height: needed(number),
  ...jobOptions,
};

/** The kinds of what `LinearProbe.from` takes. */
export const fromValuesOptions: OptionKinds<ProbePlacement & { metadata?: Partial<HeadMetadata> }> = {
  device: text,
  metadata,
};

/** The kinds of what `LinearProbe.save` takes. */
export const saveProbeOptions: OptionKinds<{ metadata?: Partial<HeadMetadata> }> = { metadata };

/** The kinds of {@link SegmentWithProbeOptions}. */
export const segmentWithProbeOptions: OptionKinds<SegmentWithProbeOptions> = without(
  segmentImageOptions,
  'head',
  'scoring',
);

/** The kinds of {@link ProbePlacement}. */
export const probePlacement: OptionKinds<ProbePlacement> = { device: text };

/** The kinds of {@link ConvertModelOptions}. */
export const convertOptions: OptionKinds<ConvertModelOptions> = {
  backbone: needed(text),
  head: needed(text),
  out: needed(text),
  dtype: oneOf(['float32', 'bfloat16']),
  task: oneOf(['segmentation', 'detection']),
  ...jobOptions,
};

/** The kinds of {@link ForwardFileOptions}. */
export const forwardFileOptions: OptionKinds<ForwardFileOptions> = {
  model: needed(text),
  input: needed(text),
  output: needed(text),
  head: text,
  ...loadOptions,
};
