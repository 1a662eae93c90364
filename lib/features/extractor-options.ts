/** How the features of the command line are chosen. */
import type { LoadOptions } from '../model/segmentation-model.js';
import type { FeatureSetName, Flavour } from './feature-set.js';

/** Files and settings that an extractor is opened from. */
export interface ExtractorOptions {
  /** The segmentation network, a TorchScript file. */
  model: string;
  /** The fine-tuned head. */
  head?: string;
  /** The detection network; without it there are no counts. */
  detector?: string;
  /** 36: 26 percentages and 10 counts. 230: 150 and 80. */
  set?: FeatureSetName;
  /** What the 26 percentages are. */
  flavour?: Flavour;
  /** File of an aggregation map of the user's own, in place of a flavour. */
  aggregation?: string;
  /** Percentages from scores in place of the class map. */
  soft?: boolean;
  /** Least score of an object that counts, 0…1. */
  threshold?: number;
  /** Width and height of the segmentation network's input, pixels. */
  imageSize?: number;
  /** `cpu`, `cuda:0`, …, `auto`. */
  device: string;
  /** Of the networks' weights; default: as in the files. */
  dtype?: NonNullable<LoadOptions['dtype']>;
  /** What the pixel decoder of a bfloat16 segmentor computes in. */
  precision?: NonNullable<LoadOptions['precision']>;
  /** Images of a pass. */
  passSize?: number;
  /** Lines for people. */
  onLog?: (line: string) => void;
}
