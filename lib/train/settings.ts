/**
 * The settings of a training run, a line a setting. From it come TrainConfig, the recipe's defaults, the checks, the flags
 * of `train`, and by scripts/docs/settings.mjs the table of docs/training.md and the JSON schema.
 */
import { cacheDtypes } from '../cache/key.js';
import { mostPixels } from '../data/budget.js';
import { labelKinds, unknownLabels } from '../data/class-set.js';
import { layoutNames } from '../data/layout.js';
import { weightPlacements } from '../model/load-options.js';
import { defaultPrecision, networkPrecisions } from '../model/network-precision.js';
import type { Setting } from '../setting.js';

/** Losses of a head (docs/recipe.md). */
export const lossNames = ['cross-entropy', 'nll', 'mask2former'] as const;

/** Presets of settings (presets.ts). */
export const presetNames = ['recipe', 'recommended'] as const;

/** Kinds of heads that can be trained. */
export const headKinds = ['class_embed', 'linear_probe'] as const;

interface TrainSetting extends Setting {
  /** May change on resume: a location (network and data are compared by their contents), or without influence on the result. */
  readonly freeOnResume?: true;
  /** Not supported by live training. */
  readonly cachedOnly?: true;
  /** The heads of a sweep may differ in it. */
  readonly swept?: true;
  /** Runs of earlier releases do not state it: they have its default. */
  readonly addedLater?: true;
}

export const trainSettings = {
  /** TorchScript file of the network, written by `convert`. */
  model: {
    type: 'text',
    value: 'FILE',
    freeOnResume: true,
    help: 'TorchScript file of the network, written by convert',
  },
  /** Folder of labelled images with the splits `train` and `val`, in one of the layouts of docs/data.md; or a list of pairs. */
  data: {
    type: 'text',
    value: 'DIR',
    freeOnResume: true,
    help: 'folder of labelled images with the splits train and val (docs/data.md), or a list of pairs',
  },
  /** Run folder: created, or resumed. */
  out: { type: 'text', value: 'RUN', freeOnResume: true, help: 'run folder to create or resume' },
  /** Group of settings to start from ({@link trainPresets}). A setting that is given as well replaces the preset's. */
  preset: {
    type: 'text',
    choices: presetNames,
    default: 'recipe',
    addedLater: true,
    help: 'settings to start from, which given ones replace; recipe: as published; recommended: better on the drawn scenes (docs/training.md)',
  },
  /** Name of a class set, or path of a JSON file. */
  classes: {
    type: 'text',
    value: 'C',
    default: 'idd26',
    help: 'class set: idd26, idd26-reference, idd7, cityscapes19, vistas65, vistas124, ade150 or FILE.json',
  },
  /** Kind of label files. null: the first kind of the class set that occurs. */
  labelKind: {
    type: 'text',
    choices: labelKinds,
    default: null,
    help: 'kind of label files: which files to read and what their values mean (default: the first kind of the class set that occurs)',
  },
  /** Layout of `data`. null: the only layout that fits. */
  layout: {
    type: 'text',
    choices: layoutNames,
    default: null,
    freeOnResume: true,
    help: 'layout of the data (docs/data.md; default: detected)',
  },
  /** Pattern of the images' paths in `data`, for other layouts; with `labels`. null: none. */
  images: {
    type: 'text',
    value: 'PATTERN',
    default: null,
    freeOnResume: true,
    addedLater: true,
    help: "pattern of the images' paths in the data folder, such as 'images/{split}/**/{name}.jpg', for other layouts",
  },
  /** Pattern of the labels' paths in `data`; with `images`. null: none. */
  labels: {
    type: 'text',
    value: 'PATTERN',
    default: null,
    freeOnResume: true,
    addedLater: true,
    help: "pattern of the labels' paths, such as 'masks/{split}/**/{name}.png'; with --images",
  },
  /** How objects of polygons with an unknown label are treated. */
  unknown: {
    type: 'text',
    choices: unknownLabels,
    default: 'ignore',
    addedLater: true,
    help: 'objects of polygons whose label the class set does not have; ignore: drawn without a class (255) and counted; refuse: an error',
  },
  /** Share of the images used for validation, chosen by name, if the data have no split `val`. null: none. */
  valShare: {
    type: 'number',
    above: 0,
    below: 1,
    default: null,
    help: 'share of the images used for validation, chosen by name, if there is no split val; e.g. 0.1',
  },
  /** Maximum number of pixels of an image or label: larger ones are refused before they are decoded. */
  maxPixels: {
    type: 'integer',
    least: 1,
    value: 'N',
    default: mostPixels,
    freeOnResume: true,
    addedLater: true,
    help: 'maximum number of pixels of an image or label; larger ones are refused before they are decoded',
  },
  /**
   * `cached`: each image passes through the network once, and heads train on the stored outputs. `live`: each image passes
   * through the network in every epoch, with new jitter.
   */
  mode: {
    type: 'text',
    choices: ['cached', 'live'],
    default: 'cached',
    help: 'cached: each image passes through the network once; live: in every epoch, with new jitter',
  },
  /** Folder of the cache (mode cached). null: a folder next to the run folder, named by a hash of the cache's key. */
  cache: {
    type: 'text',
    value: 'DIR',
    default: null,
    freeOnResume: true,
    help: 'folder of the cache (default: next to the run folder, named by a hash of the settings it depends on)',
  },
  /**
   * Images per forward pass while a cache is filled (mode cached; docs/cache.md). null: the size that the cache was started
   * with; for a new cache, depending on free memory.
   */
  passSize: {
    type: 'integer',
    least: 1,
    default: null,
    freeOnResume: true,
    cachedOnly: true,
    help: 'images per forward pass (default: up to 8, depending on free GPU memory; 1 on the CPU)',
  },
  /**
   * How the cache stores outputs (mode cached). `uint8`: masks as 8-bit sigmoid, queries in bfloat16; features in 256 steps from
   * the least to the greatest value of each channel and image.
   */
  cacheDtype: {
    type: 'text',
    choices: cacheDtypes,
    default: 'bfloat16',
    help: 'dtype of the cached outputs; uint8: masks as 8-bit sigmoid (two fifths smaller than bfloat16), features in 8 bits (half)',
  },
  /** Number of colour-jittered versions of each training image in the cache (mode cached). 0: only the unchanged image. */
  views: {
    type: 'integer',
    least: 0,
    default: 0,
    cachedOnly: true,
    help: 'number of colour-jittered versions of each training image; 0: only the unchanged image',
  },
  /**
   * Kind of head. `linear_probe`: batch norm and a 1×1 convolution on the backbone's features; its loss is cross-entropy. null:
   * `class_embed` for a network that has one, else `linear_probe`.
   */
  headKind: {
    type: 'text',
    choices: headKinds,
    default: null,
    help: "kind of head; linear_probe: batch norm and 1×1 convolution on the backbone's features (default: class_embed if the network has one, else linear_probe)",
  },
  /** Layers of the backbone that a linear probe reads: the last one, or the four tapped ones side by side. */
  layers: {
    type: 'integer',
    only: [1, 4],
    default: 1,
    addedLater: true,
    help: 'layers of the backbone that a linear probe reads: 1, the last one; 4, the four tapped ones side by side',
  },
  /**
   * Loss. `cross-entropy`: with the dense scores as logits. `nll`: negative log of the label's share of the scores.
   * `mask2former`: classification of matched queries, with a "no object" output.
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
   * Class weights of the loss. `frequency`: rarer classes of the training labels weigh more. Else the path of a JSON file
   * with weights by class name.
   */
  classWeights: {
    type: 'text',
    value: 'W',
    default: 'none',
    swept: true,
    help: 'class weights of the loss: none, frequency (rarer classes weigh more), or FILE.json with weights by class name',
  },
  /** Initial weights of the head. `xavier`: random. `map`: rows of the network's own 151-class head. */
  initHead: {
    type: 'text',
    choices: ['xavier', 'map'],
    default: 'xavier',
    help: "initial weights; xavier: random; map: rows of the network's own 151-class head",
  },
  /** JSON file that maps each class to classes of the network's own head. null: the built-in map. */
  classMap: {
    type: 'text',
    value: 'FILE.json',
    default: null,
    help: 'ADE20K classes of each class, for --init-head map (default: the built-in map)',
  },
  /**
   * Values of `lr`, `weight-decay`, `loss` and `class-weights`, e.g. `lr=1e-4,3e-4;loss=cross-entropy,nll`. Each combination
   * is a head; all heads train side by side. null: one head.
   */
  sweep: {
    type: 'text',
    value: 'S',
    default: null,
    help: 'heads to train side by side, e.g. "lr=1e-4,3e-4;loss=cross-entropy,nll;class-weights=none,frequency"',
  },
  /** Number of folds of a cross-validation on the training images; each head leaves out one fold. 0: no cross-validation. */
  folds: {
    type: 'integer',
    least: 2,
    off: 0,
    value: 'K',
    default: 0,
    help: 'number of folds of a cross-validation on the training images; 0: no cross-validation',
  },
  /** Passes over the training images. */
  epochs: { type: 'integer', least: 1, default: 20, help: 'passes over the training images' },
  /** Epochs without a better mIoU before the run stops early. 0: never. */
  patience: {
    type: 'integer',
    least: 0,
    default: 10,
    help: 'epochs without a better mIoU before the run stops early; 0: never',
  },
  /** Initial learning rate of AdamW; cosine annealing lowers it to 0. */
  learningRate: {
    type: 'number',
    above: 0,
    default: 1e-4,
    flag: 'lr',
    swept: true,
    help: 'initial learning rate of AdamW; cosine annealing to 0',
  },
  /** Weight decay of AdamW. */
  weightDecay: { type: 'number', least: 0, default: 1e-4, swept: true, help: 'weight decay of AdamW' },
  /** Images per batch; in mode live, also images per forward pass. */
  batchSize: { type: 'integer', least: 1, default: 1, help: 'images per batch' },
  /** Batches whose gradients are accumulated for one optimiser step. */
  accumulate: {
    type: 'integer',
    least: 1,
    default: 1,
    help: 'batches whose gradients are accumulated for one optimiser step',
  },
  /** Maximum global norm of the gradients, for clipping. 0: no clipping. */
  maxNorm: {
    type: 'number',
    least: 0,
    default: 1,
    help: 'maximum gradient norm, for clipping; 0: no clipping',
  },
  /** Width and height of the resized images in pixels, a multiple of 32. */
  imageSize: {
    type: 'integer',
    least: 1,
    default: 512,
    help: 'width and height of the resized images in pixels, a multiple of 32',
  },
  /** Probability of a horizontal flip. */
  flip: {
    type: 'number',
    least: 0,
    most: 1,
    default: 0.5,
    help: 'probability of a horizontal flip; 0: the cache has no flipped images',
  },
  /** Strength of the brightness jitter, 0…1, as in torchvision. No jitter if all four strengths are 0. */
  brightness: { type: 'number', least: 0, most: 1, default: 0.3, help: 'strength of the brightness jitter' },
  /** Strength of the contrast jitter, 0…1. */
  contrast: { type: 'number', least: 0, most: 1, default: 0.3, help: 'strength of the contrast jitter' },
  /** Strength of the saturation jitter, 0…1. */
  saturation: { type: 'number', least: 0, most: 1, default: 0.3, help: 'strength of the saturation jitter' },
  /** Strength of the hue jitter, 0…0.5 turns of the colour circle. */
  hue: {
    type: 'number',
    least: 0,
    most: 0.5,
    default: 0.1,
    help: 'strength of the hue jitter, in turns of the colour circle',
  },
  /** Seed of the initial weights, the order of the images and the augmentation. */
  seed: {
    type: 'integer',
    least: 0,
    default: 0,
    help: 'seed of the initial weights, the order of the images and the augmentation',
  },
  /**
   * Device: `cpu`, `cuda:0`, …, or several, `cuda:0,cuda:2`. `cuda`: all visible CUDA devices; `auto`: the same, or the CPU without any.
   * The pass over all images runs on all of them, training on the first.
   */
  device: {
    type: 'text',
    value: 'D',
    default: 'auto',
    help: 'cpu, cuda:0, …, or several: cuda:0,cuda:2; cuda: all CUDA devices; auto: the same, or the CPU without any',
  },
  /** Weight precision of the network. `stored`: as in the file. */
  dtype: {
    type: 'text',
    choices: ['stored', 'float32', 'bfloat16'],
    default: 'stored',
    help: 'weight precision of the network; stored: as in the file',
  },
  /** Precision of a network with a bfloat16 backbone; see LoadOptions. */
  precision: {
    type: 'text',
    choices: networkPrecisions,
    default: defaultPrecision,
    help: 'precision of the pixel decoder, for a bfloat16 backbone; float16 and tf32: on CUDA; reference: float32; fast: bfloat16; fp8: that of float16, and the backbone in 8 bits (Ada, Hopper and later)',
  },
  /** Where the weights of the network's layers are; see LoadOptions. */
  weights: {
    type: 'text',
    choices: weightPlacements,
    default: 'auto',
    freeOnResume: true,
    addedLater: true,
    help: "where the weights of the network's layers are; resident: on the device; stream: in host memory, copied during each pass; auto: on the device if they fit (docs/memory.md)",
  },
  /** Maximum of the GPU's memory that the process takes, such as `8GB`. null: no maximum. */
  gpuMemory: {
    type: 'text',
    value: 'SIZE',
    default: null,
    freeOnResume: true,
    addedLater: true,
    help: 'maximum GPU memory of the process, such as 8GB or 7.5GiB (default: no maximum)',
  },
  /** Precision of the head's linear layer. */
  headPrecision: {
    type: 'text',
    choices: ['bfloat16', 'float32'],
    default: 'bfloat16',
    help: "precision of the head's linear layer",
  },
  /** Seconds between two saved states within an epoch, to resume from. */
  saveEverySeconds: {
    type: 'number',
    least: 0,
    default: 300,
    freeOnResume: true,
    help: 'seconds between two saved states within an epoch, to resume from',
  },
  /** Batches decoded and resized ahead of the network. */
  prefetch: {
    type: 'integer',
    least: 1,
    default: 4,
    freeOnResume: true,
    help: 'batches decoded and resized ahead of the network',
  },
} as const satisfies Record<string, TrainSetting>;

/** The name of a training setting. */
export type TrainSettingName = keyof typeof trainSettings;

/** Names of all training settings. */
export const configKeys = Object.keys(trainSettings) as TrainSettingName[];

/** The settings with a mark, in the order of the table. */
export function settingsWith(
  mark: 'freeOnResume' | 'cachedOnly' | 'swept' | 'addedLater',
): TrainSettingName[] {
  return configKeys.filter((name) => (trainSettings[name] as TrainSetting)[mark]);
}
