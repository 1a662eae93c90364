/** Kinds of what the functions on features take. */
import {
  callback,
  either,
  flag,
  kind,
  needed,
  number,
  objectWith,
  oneOf,
  signal,
  text,
  without,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import { labelKinds, type LabelKind } from '../data/class-set.js';
import type { LabelImage } from '../data/decode.js';
import { imageSize, loadOptions, modelKind } from '../model/argument-kinds.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { ExtractTableOptions } from './extract-table.js';
import type { FeatureExtractor } from './extractor.js';
import { type FeatureChoice, type PercentagePlan } from './feature-set.js';
import type { ImageList } from './inputs.js';
import type { ManifestColumns } from './manifest.js';
import type { FeatureExtractorOptions } from './open-extractor.js';
import type { SegmentationFeaturesOptions } from './segmentation-features.js';
import type { Shard } from './shard.js';

const isList = (value: unknown) => Array.isArray(value);

export const extractorKind = objectWith<FeatureExtractor>('a feature extractor {columns, settings, …}', {
  columns: kind('a list', isList),
  passSize: number,
  extract: callback(),
});

export const imageListKind = objectWith<ImageList>('a list of images, as imagesOfPaths() gives it', {
  carried: kind('a list', isList),
  entries: kind('a list', isList),
});

export const planKind = objectWith<PercentagePlan>('a plan, as percentagePlan() gives it', {
  places: number,
  groups: kind('a list', isList),
  labelSet: classSetKind,
});

export const labelImageKind = objectWith<LabelImage>('a label image, as decodeLabel() gives it', {
  data: kind('values', (value) => value instanceof Uint8Array || value instanceof Uint16Array),
  width: number,
  height: number,
});

/** The kinds of {@link FeatureChoice}; their values are checked with the nearest that is known. */
export const choiceOptions: OptionKinds<FeatureChoice> = {
  set: kind('a string', text.is),
  flavour: kind('a string', text.is),
  aggregation: text,
};

/** The kinds of {@link SegmentationFeaturesOptions}. */
export const segmentationOptions: OptionKinds<SegmentationFeaturesOptions> = {
  model: needed(either(text, modelKind)),
  head: text,
  ...choiceOptions,
  soft: flag,
  imageSize,
  ...loadOptions,
};

/** The kinds of {@link FeatureExtractorOptions}. */
export const extractorOptions: OptionKinds<FeatureExtractorOptions> = {
  model: needed(text),
  ...without(segmentationOptions, 'model', 'onProgress'),
  detector: text,
  threshold: number,
  detectorSize: number,
  sharedBackbone: flag,
  passSize: number,
  onLog: callback(),
};

/** The kinds of {@link ExtractTableOptions}. */
export const tableOptions: OptionKinds<ExtractTableOptions> = {
  output: needed(text),
  shard: objectWith<Shard>('{index, count}', { index: number, count: number }),
  threads: number,
  strict: flag,
  coco: text,
  visualize: number,
  signal,
  onProgress: callback(),
  onLog: callback(),
};

/** The kinds of what `mergeTables` and `FeatureExtractor.extract` take. */
export const signalOption: OptionKinds<{ signal?: AbortSignal }> = { signal };

/** The kinds of {@link ManifestColumns}. */
export const manifestColumns: OptionKinds<ManifestColumns> = { imageColumn: text, idColumn: text };

/** The kinds of what `percentagesOfLabels` takes. */
export const labelOptions: OptionKinds<JobOptions & { labelKind?: LabelKind }> = {
  labelKind: oneOf(labelKinds),
  ...jobOptions,
};
