/**
 * The settings of a training run, a line a setting. From it come TrainConfig, the recipe's defaults, the checks, the flags
 * of `train`, and by scripts/docs/settings.mjs the table of docs/configuration.md and the JSON schema.
 */
import { cacheDtypes } from '../cache/key.js';
import { labelKinds } from '../data/class-set.js';
import { layoutNames } from '../data/layout.js';
import { networkPrecisions } from '../model/network-precision.js';
import type { Setting } from '../setting.js';

/** What a head learns from (docs/recipe.md). */
export const lossNames = ['cross-entropy', 'nll', 'mask2former'] as const;

/** What is trained. */
export const headKinds = ['class_embed', 'linear_probe'] as const;

interface TrainSetting extends Setting {
  /** May change when a run goes on: where things lie (network and data are compared by their contents), or no influence on the result. */
  readonly freeOnResume?: true;
  /** Live training refuses it. */
  readonly cachedOnly?: true;
  /** The heads of a sweep may differ in it. */
  readonly swept?: true;
}

export const trainSettings = {
  /** The network: a TorchScript file written by `convert`. */
  model: {
    type: 'text',
    value: 'FILE',
    freeOnResume: true,
    help: 'the network, a TorchScript file written by convert',
  },
  /** Folder with the splits `train` and `val` in any of the layouts of docs/data.md, or a list of pairs. */
  data: {
    type: 'text',
    value: 'DIR',
    freeOnResume: true,
    help: 'labelled images with splits train and val (docs/data.md), or a list of pairs',
  },
  /** Run folder. */
  out: { type: 'text', value: 'RUN', freeOnResume: true, help: 'run folder to make, or to go on with' },
  /** A class set's name or the path of a JSON file. */
  classes: {
    type: 'text',
    value: 'C',
    default: 'idd26',
    help: 'class set: idd26, idd26-reference, cityscapes19, ade150 or FILE.json',
  },
  /** Kind of label files; null takes the class set's first that occurs. */
  labelKind: {
    type: 'text',
    choices: labelKinds,
    default: null,
    help: 'which label files to take, or what their values mean (default: the first kind of the class set that occurs)',
  },
  /** How `data` is laid out; null: the only layout that fits. */
  layout: {
    type: 'text',
    choices: layoutNames,
    default: null,
    freeOnResume: true,
    help: 'how the data are laid out (default: what fits; docs/data.md)',
  },
  /** Share of the images that is taken for validation, by their names, where the data have no split `val`; null: none. */
  valShare: {
    type: 'number',
    above: 0,
    below: 1,
    default: null,
    help: 'share of the images for validation, by their names, where there is no split val, e.g. 0.1',
  },
  /**
   * `cached`: every image goes through the network once, heads are trained on what it gave; `live`: every image goes
   * through it in every epoch, jittered anew.
   */
  mode: {
    type: 'text',
    choices: ['cached', 'live'],
    default: 'cached',
    help: 'cached: images go through the network once; live: in every epoch, jittered anew',
  },
  /** Folder of the cache; null: one beside the run folder, named by what it is made of (mode cached). */
  cache: {
    type: 'text',
    value: 'DIR',
    default: null,
    freeOnResume: true,
    help: "folder of the cache (default: beside the run's, named by what it is made of)",
  },
  /**
   * Images that go through the network together while a cache is filled; null: what the cache was begun with, else by the
   * free memory (mode cached; docs/cache.md).
   */
  passSize: {
    type: 'integer',
    least: 1,
    default: null,
    freeOnResume: true,
    cachedOnly: true,
    help: 'images that go through the network together (default: up to 8 by free GPU memory; on the CPU 1)',
  },
  /** How the cache stores queries and masks; `uint8`: masks as 8-bit sigmoid, queries in bfloat16 (mode cached). */
  cacheDtype: {
    type: 'text',
    choices: cacheDtypes,
    default: 'bfloat16',
    help: 'how the cache stores outputs; uint8: masks as 8-bit sigmoid, two fifths smaller than bfloat16',
  },
  /** Colour-jittered versions of each training image in the cache; 0: the unchanged image (mode cached). */
  views: {
    type: 'integer',
    least: 0,
    default: 0,
    cachedOnly: true,
    help: 'colour-jittered versions of each training image; 0: the unchanged image',
  },
  /**
   * `class_embed`; `linear_probe`: batch norm and a 1×1 convolution on the backbone's last layer, for comparison (loss
   * cross-entropy).
   */
  headKind: {
    type: 'text',
    choices: headKinds,
    default: 'class_embed',
    help: "linear_probe: batch norm and 1×1 convolution on the backbone's last layer, for comparison",
  },
  /**
   * `cross-entropy`: of the dense scores as logits; `nll`: negative log of the label's share of the scores;
   * `mask2former`: classes of matched queries, with a "no object" output.
   */
  loss: {
    type: 'text',
    choices: lossNames,
    formerly: { reference: 'cross-entropy' },
    default: 'cross-entropy',
    swept: true,
    help: 'loss of the head (docs/recipe.md)',
  },
  /**
   * `none`; `frequency`: rarer classes weigh more, by the training labels; or the path of a JSON file with weights by
   * class name.
   */
  classWeights: {
    type: 'text',
    value: 'W',
    default: 'none',
    swept: true,
    help: 'none, frequency (rarer classes weigh more), or FILE.json with weights by class name',
  },
  /** `xavier`, or `map`: rows of the network's own 151-class head. */
  initHead: {
    type: 'text',
    choices: ['xavier', 'map'],
    default: 'xavier',
    help: "first weights: random, or rows of the network's own 151-class head",
  },
  /** JSON file that says which classes of the network's own head each class takes; null: the built-in map. */
  classMap: {
    type: 'text',
    value: 'FILE.json',
    default: null,
    help: 'which ADE20K classes each class takes with --init-head map (default: the built-in map)',
  },
  /**
   * Heads to train side by side: values of `lr`, `weight-decay`, `loss` and `class-weights`, every combination a head, as
   * `lr=1e-4,3e-4;loss=cross-entropy,nll`; null: one head.
   */
  sweep: {
    type: 'text',
    value: 'S',
    default: null,
    help: 'heads side by side, e.g. "lr=1e-4,3e-4;loss=cross-entropy,nll;class-weights=none,frequency"',
  },
  /** Parts of the training images for a cross-validation, each left out by a head of its own; 0: none. */
  folds: {
    type: 'integer',
    least: 2,
    off: 0,
    value: 'K',
    default: 0,
    help: 'parts of a cross-validation on the training images; 0: none',
  },
  /** Passes over the training images. */
  epochs: { type: 'integer', least: 1, default: 20, help: 'passes over the training images' },
  /** Epochs without a better mIoU after which to stop; 0: never. */
  patience: {
    type: 'integer',
    least: 0,
    default: 10,
    help: 'epochs without a better mIoU after which to stop; 0: no limit',
  },
  /** Of AdamW at the start; cosine annealing takes it to 0. */
  learningRate: {
    type: 'number',
    above: 0,
    default: 1e-4,
    flag: 'lr',
    swept: true,
    help: 'learning rate of AdamW at the start; cosine to 0',
  },
  /** Of AdamW. */
  weightDecay: { type: 'number', least: 0, default: 1e-4, swept: true, help: 'weight decay of AdamW' },
  /** Images of a batch; in mode live they go through the network together. */
  batchSize: { type: 'integer', least: 1, default: 1, help: 'images of a batch' },
  /** Batches whose gradients are gathered for one step. */
  accumulate: {
    type: 'integer',
    least: 1,
    default: 1,
    help: 'batches whose gradients are summed for a step',
  },
  /** Global norm of the gradients to clip to; 0: no clipping. */
  maxNorm: { type: 'number', least: 0, default: 1, help: 'gradient norm to clip to; 0: no clipping' },
  /** Width and height that images are resized to, a multiple of 32. */
  imageSize: {
    type: 'integer',
    least: 1,
    default: 512,
    help: 'width and height that images are resized to, a multiple of 32',
  },
  /** Probability of a horizontal flip. */
  flip: {
    type: 'number',
    least: 0,
    most: 1,
    default: 0.5,
    help: 'probability of a horizontal flip; 0 leaves flipped versions out of the cache',
  },
  /** Strength 0…1 of the colour jitter, with torchvision's meaning; all four 0: none. */
  brightness: { type: 'number', least: 0, most: 1, default: 0.3, help: 'strength of the colour jitter' },
  /** Strength 0…1 of the colour jitter. */
  contrast: { type: 'number', least: 0, most: 1, default: 0.3, help: 'strength of the colour jitter' },
  /** Strength 0…1 of the colour jitter. */
  saturation: { type: 'number', least: 0, most: 1, default: 0.3, help: 'strength of the colour jitter' },
  /** Strength 0…0.5 of the colour jitter, in turns of the colour circle. */
  hue: {
    type: 'number',
    least: 0,
    most: 0.5,
    default: 0.1,
    help: 'strength of the colour jitter, in turns of the colour circle',
  },
  /** Of the head's first weights, the order of the images and the augmentation. */
  seed: { type: 'integer', least: 0, default: 0, help: 'seed of first weights, order and augmentation' },
  /** `auto`: a CUDA device where there is one, else the CPU. */
  device: {
    type: 'text',
    value: 'D',
    default: 'auto',
    help: 'cpu, cuda:0, …; auto: a CUDA device where there is one, else the CPU',
  },
  /** Of the network's weights. */
  dtype: {
    type: 'text',
    choices: ['stored', 'float32', 'bfloat16'],
    default: 'stored',
    help: 'weight precision of the network; stored: as in the file',
  },
  /** Of the network's pixel decoder, where its backbone is in bfloat16; see LoadOptions. */
  precision: {
    type: 'text',
    choices: networkPrecisions,
    default: 'tf32',
    help: 'precision of the pixel decoder beside a bfloat16 backbone; reference: float32; fast: bfloat16',
  },
  /** Of the head's linear layer. */
  headPrecision: {
    type: 'text',
    choices: ['bfloat16', 'float32'],
    default: 'bfloat16',
    help: "precision of the head's linear layer",
  },
  /** A state to resume from is saved this often within an epoch, too. */
  saveEverySeconds: {
    type: 'number',
    least: 0,
    default: 300,
    freeOnResume: true,
    help: 'seconds after which a state to resume from is saved within an epoch, too',
  },
  /** Batches that are decoded and resized ahead of the network. */
  prefetch: {
    type: 'integer',
    least: 1,
    default: 4,
    freeOnResume: true,
    help: 'batches that are decoded and resized ahead of the network',
  },
} as const satisfies Record<string, TrainSetting>;

/** The name of a training setting. */
export type TrainSettingName = keyof typeof trainSettings;

/** Names of all training settings. */
export const configKeys = Object.keys(trainSettings) as TrainSettingName[];

/** The settings that have a mark, in the order of the table. */
export function settingsWith(mark: 'freeOnResume' | 'cachedOnly' | 'swept'): TrainSettingName[] {
  return configKeys.filter((name) => (trainSettings[name] as TrainSetting)[mark]);
}
