/** Everything that shapes a training run, with the recipe's defaults (docs/recipe.md). */
import { cacheDtypes, type CacheDtype } from '../cache/key.js';
import { labelKinds, type LabelKind } from '../data/class-set.js';
import { layoutNames, type LayoutName } from '../data/layout.js';
import { checkArgument, kind, text as textKind } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { checkImageSize } from '../model/image-size.js';
import { networkPrecisions } from '../model/network-precision.js';
import type { NetworkPrecision } from '../native/bindings/engine.js';
import { isObject } from '../json.js';
import { didYouMean } from '../nearest.js';
import { readSettingsFile } from '../settings-file.js';
import { withoutUndefined } from '../without-undefined.js';

/** What a head learns from (docs/recipe.md). */
export const lossNames = ['reference', 'nll', 'mask2former'] as const;
/** One of {@link lossNames}. */
export type LossName = (typeof lossNames)[number];

/** What is trained. */
export const headKinds = ['class_embed', 'linear_probe'] as const;
/** One of {@link headKinds}. */
export type HeadKind = (typeof headKinds)[number];

/** The settings of a training run; {@link trainDefaults} has their defaults. */
export interface TrainConfig {
  /** The network: a TorchScript file written by `convert`. */
  model: string;
  /** Folder with the splits `train` and `val` in any of the layouts of docs/data.md, or a list of pairs. */
  data: string;
  /** Run folder. */
  out: string;
  /** A class set's name or the path of a JSON file. */
  classes: string;
  /** Kind of label files; null takes the class set's first that occurs. */
  labelKind: LabelKind | null;
  /** How `data` is laid out; null: the only layout that fits. */
  layout: LayoutName | null;
  /** Share of the images that is taken for validation, by their names, where the data have no split `val`; null: none. */
  valShare: number | null;
  /**
   * `cached`: every image goes through the network once, heads are trained on what it gave; `live`: every image goes
   * through it in every epoch, jittered anew.
   */
  mode: 'cached' | 'live';
  /** Folder of the cache; null: one beside the run folder, named by what it is made of (mode cached). */
  cache: string | null;
  /**
   * Images that go through the network together while a cache is filled; null: what the cache was begun with, else by the
   * free memory (mode cached; docs/cache.md).
   */
  passSize: number | null;
  /** How the cache stores queries and masks; `uint8`: masks as 8-bit sigmoid, queries in bfloat16 (mode cached). */
  cacheDtype: CacheDtype;
  /** Colour-jittered versions of each training image in the cache; 0: the unchanged image (mode cached). */
  views: number;
  /**
   * `class_embed`; `linear_probe`: batch norm and a 1×1 convolution on the backbone's last layer, for comparison (mode
   * cached, loss reference).
   */
  headKind: HeadKind;
  /**
   * `reference`: cross entropy with the dense scores as logits; `nll`: negative log of the label's share of the scores;
   * `mask2former`: classes of matched queries, with a "no object" output (the last two: mode cached).
   */
  loss: LossName;
  /**
   * `none`; `frequency`: rarer classes weigh more, by the training labels; or the path of a JSON file with weights by
   * class name (mode cached).
   */
  classWeights: string;
  /** `xavier`, or `map`: rows of the network's own 151-class head. */
  initHead: 'xavier' | 'map';
  /** JSON file that says which classes of the network's own head each class takes; null: the built-in map. */
  classMap: string | null;
  /**
   * Heads to train side by side: values of `lr`, `weight-decay`, `loss` and `class-weights`, every combination a head, as
   * `lr=1e-4,3e-4;loss=reference,nll`; null: one head (mode cached).
   */
  sweep: string | null;
  /** Parts of the training images for a cross-validation, each left out by a head of its own; 0: none (mode cached). */
  folds: number;
  /** Passes over the training images. */
  epochs: number;
  /** Epochs without a better mIoU after which to stop; 0: never. */
  patience: number;
  /** Of AdamW at the start; cosine annealing takes it to 0. */
  learningRate: number;
  /** Of AdamW. */
  weightDecay: number;
  /** Images of a batch; in mode live they go through the network together. */
  batchSize: number;
  /** Batches whose gradients are gathered for one step. */
  accumulate: number;
  /** Global norm of the gradients to clip to; 0: no clipping. */
  maxNorm: number;
  /** Width and height that images are resized to, a multiple of 32. */
  imageSize: number;
  /** Probability of a horizontal flip. */
  flip: number;
  /** Strength 0…1 of the colour jitter, with torchvision's meaning; all four 0: none. */
  brightness: number;
  /** Strength 0…1 of the colour jitter. */
  contrast: number;
  /** Strength 0…1 of the colour jitter. */
  saturation: number;
  /** Strength 0…0.5 of the colour jitter, in turns of the colour circle. */
  hue: number;
  /** Of the head's first weights, the order of the images and the augmentation. */
  seed: number;
  /** `auto`: a CUDA device where there is one, else the CPU. */
  device: string;
  /** Of the network's weights. */
  dtype: 'stored' | 'float32' | 'bfloat16';
  /** Of the network's pixel decoder, where its backbone is in bfloat16; see LoadOptions. */
  precision: NetworkPrecision;
  /** Of the head's linear layer. */
  headPrecision: 'bfloat16' | 'float32';
  /** A state to resume from is saved this often within an epoch, too. */
  saveEverySeconds: number;
  /** Batches that are decoded and resized ahead of the network. */
  prefetch: number;
}

/** Settings by name; which ones there are is for `resolveConfig` to say. */
export const settingsKind = kind<object>('an object of settings', isObject);

/** The recipe. `model`, `data` and `out` have no default. */
export const trainDefaults: Readonly<Omit<TrainConfig, 'model' | 'data' | 'out'>> = {
  classes: 'idd26',
  labelKind: null,
  layout: null,
  valShare: null,
  mode: 'cached',
  cache: null,
  passSize: null,
  cacheDtype: 'bfloat16',
  views: 0,
  headKind: 'class_embed',
  loss: 'reference',
  classWeights: 'none',
  initHead: 'xavier',
  classMap: null,
  sweep: null,
  folds: 0,
  epochs: 20,
  patience: 10,
  learningRate: 1e-4,
  weightDecay: 1e-4,
  batchSize: 1,
  accumulate: 1,
  maxNorm: 1,
  imageSize: 512,
  flip: 0.5,
  brightness: 0.3,
  contrast: 0.3,
  saturation: 0.3,
  hue: 0.1,
  seed: 0,
  device: 'auto',
  dtype: 'stored',
  precision: 'tf32',
  headPrecision: 'bfloat16',
  saveEverySeconds: 300,
  prefetch: 4,
};

/** Says what is expected, or undefined where the value is right. */
type Rule = (value: unknown) => string | undefined;

const text: Rule = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'a text that is not empty';

const textOrNull: Rule = (value) => (value === null ? undefined : text(value));

const integer =
  (least: number): Rule =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least ? undefined : `a whole number from ${least}`;

const number =
  (least: number, most = Infinity): Rule =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most && Number.isFinite(value)
      ? undefined
      : most === Infinity
        ? `a number from ${least}`
        : `a number from ${least} to ${most}`;

const oneOf =
  (...values: readonly (string | null)[]): Rule =>
  (value) =>
    values.includes(value as string | null) ? undefined : `one of ${values.map(String).join(', ')}`;

const positive: Rule = (value) =>
  typeof value === 'number' && value > 0 && Number.isFinite(value) ? undefined : 'a number above 0';

const rules: Record<keyof TrainConfig, Rule> = {
  model: text,
  data: text,
  out: text,
  classes: text,
  labelKind: oneOf(null, ...labelKinds),
  layout: oneOf(null, ...layoutNames),
  valShare: (value) =>
    value === null || (typeof value === 'number' && value > 0 && value < 1)
      ? undefined
      : 'a number above 0 and below 1, or null',
  mode: oneOf('cached', 'live'),
  cache: textOrNull,
  passSize: (value) => (value === null ? undefined : integer(1)(value)),
  cacheDtype: oneOf(...cacheDtypes),
  views: integer(0),
  headKind: oneOf(...headKinds),
  loss: oneOf(...lossNames),
  classWeights: text,
  initHead: oneOf('xavier', 'map'),
  classMap: textOrNull,
  sweep: textOrNull,
  folds: (value) => (value === 0 ? undefined : integer(2)(value)?.concat(', or 0')),
  epochs: integer(1),
  patience: integer(0),
  learningRate: positive,
  weightDecay: number(0),
  batchSize: integer(1),
  accumulate: integer(1),
  maxNorm: number(0),
  imageSize: integer(1),
  flip: number(0, 1),
  brightness: number(0, 1),
  contrast: number(0, 1),
  saturation: number(0, 1),
  hue: number(0, 0.5),
  seed: integer(0),
  device: text,
  dtype: oneOf('stored', 'float32', 'bfloat16'),
  precision: oneOf(...networkPrecisions),
  headPrecision: oneOf('bfloat16', 'float32'),
  saveEverySeconds: number(0),
  prefetch: integer(1),
};

/** Names of all settings. */
export const configKeys = Object.keys(rules) as (keyof TrainConfig)[];

/**
 * Settings that may change when a run goes on: where things lie (the network and the data are compared by their
 * contents instead) and what does not touch the result.
 */
const freeOnResume: readonly (keyof TrainConfig)[] = [
  'model',
  'data',
  'layout',
  'out',
  'cache',
  'passSize',
  'saveEverySeconds',
  'prefetch',
];

/**
 * A whole, valid configuration from what was given and the recipe's defaults.
 *
 * @throws DinoSegError INVALID_ARGUMENT naming the setting, what was expected and what came; SHAPE for an image size
 *   that is no multiple of 32.
 */
export function resolveConfig(given: Partial<TrainConfig>): TrainConfig {
  checkArgument(given, settingsKind, 'resolveConfig(given)');
  refuseUnknown(given, 'the settings');
  const config = { ...trainDefaults, ...withoutUndefined(given) } as TrainConfig;
  for (const key of configKeys) {
    const expected = rules[key](config[key]);
    if (expected === undefined) continue;
    const came = config[key] === undefined ? 'it is missing' : `${JSON.stringify(config[key])} was given`;
    throw new DinoSegError('INVALID_ARGUMENT', `The setting "${key}" should be ${expected}; ${came}.`);
  }
  if (config.mode === 'live') refuseCachedOnly(config);
  if (config.headKind === 'linear_probe')
    for (const key of ['loss', 'initHead'] as const)
      if (config[key] !== trainDefaults[key])
        throw new DinoSegError(
          'INVALID_ARGUMENT',
          `The setting "${key}" is ${JSON.stringify(config[key])}, which a linear probe does not know; leave it out.`,
        );
  if (config.sweep !== null && config.folds > 0)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      'A run has either a sweep or folds. Sweep first, then take the folds of the best settings.',
    );
  checkImageSize(config.imageSize, config.imageSize);
  return config;
}

/** What only training on cached outputs can do is refused of live training, not left out. */
function refuseCachedOnly(config: TrainConfig): void {
  for (const key of ['passSize', 'views'] as const)
    if (config[key] !== trainDefaults[key])
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The setting "${key}" is ${JSON.stringify(config[key])}, which live training does not know; use mode cached.`,
      );
}

/**
 * Settings from a YAML or JSON file with names of {@link TrainConfig}, or from a run's config.json.
 *
 * @throws DinoSegError FILE_NOT_FOUND, IO, INVALID_ARGUMENT for anything else than such a file.
 */
export async function readConfigFile(path: string): Promise<Partial<TrainConfig>> {
  checkArgument(path, textKind, 'readConfigFile(path)');
  const { settings } = await readSettingsFile(path);
  refuseUnknown(settings, path);
  return settings;
}

/** The settings in which a run and its continuation differ and may not, as `epochs: 20 → 30`. */
export function configDifferences(before: TrainConfig, after: TrainConfig): string[] {
  return configKeys
    .filter((key) => !freeOnResume.includes(key) && before[key] !== after[key])
    .map((key) => `${key}: ${JSON.stringify(before[key])} → ${JSON.stringify(after[key])}`);
}

function refuseUnknown(given: object, where: string): void {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(rules, key));
  if (unknown === undefined) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `There is no setting "${unknown}" (in ${where}).${didYouMean(unknown, configKeys)} ` +
      `Settings are ${configKeys.join(', ')}.`,
  );
}
