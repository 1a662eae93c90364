/** A run's settings, complete and checked (settings.ts has the table). */
import { checkArgument, kind, text as textKind } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { checkImageSize } from '../model/image-size.js';
import { isObject } from '../json.js';
import { didYouMean } from '../nearest.js';
import { expected, fits, renamed, type Setting, type ValueOf } from '../setting.js';
import { readSettingsFile } from '../settings-file.js';
import { withoutUndefined } from '../without-undefined.js';
import { configKeys, settingsWith, trainSettings, type TrainSettingName } from './settings.js';

type Settings = typeof trainSettings;

/**
 * The settings of a training run; {@link trainDefaults} has their defaults.
 *
 * @interface
 */
export type TrainConfig = {
  -readonly [K in keyof Settings]:
    ValueOf<Settings[K]> | (Settings[K] extends { default: null } ? null : never);
};

/** One of {@link lossNames}. */
export type LossName = TrainConfig['loss'];

/** One of {@link headKinds}. */
export type HeadKind = TrainConfig['headKind'];

/** Settings by name; which ones there are is for `resolveConfig` to say. */
export const settingsKind = kind<object>('an object of settings', isObject);

/** The recipe. `model`, `data` and `out` have no default. */
export const trainDefaults = Object.fromEntries(
  Object.entries(trainSettings).flatMap(([name, setting]) =>
    'default' in setting ? [[name, setting.default]] : [],
  ),
) as Readonly<Omit<TrainConfig, 'model' | 'data' | 'out'>>;

/**
 * A whole, valid configuration from what was given and the recipe's defaults.
 *
 * @throws DinoSegError INVALID_ARGUMENT naming the setting, what was expected and what came; SHAPE for an image size
 *   that is no multiple of 32.
 */
export function resolveConfig(given: Partial<TrainConfig>): TrainConfig {
  checkArgument(given, settingsKind, 'resolveConfig(given)');
  refuseUnknown(given, 'the settings');
  const config = withPresentNames({ ...trainDefaults, ...withoutUndefined(given) } as TrainConfig);
  for (const name of configKeys) {
    const setting: Setting = trainSettings[name];
    const value = config[name];
    const nullable = setting.default === null;
    if (fits(setting, value) || (nullable && value === null)) continue;
    const came = value === undefined ? 'it is missing' : `${JSON.stringify(value)} was given`;
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The setting "${name}" should be ${expected(setting)}${nullable ? ', or null' : ''}; ${came}.`,
    );
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
  for (const key of settingsWith('cachedOnly'))
    if (config[key] !== (trainSettings[key] as Setting).default)
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
  const free = settingsWith('freeOnResume');
  const own = withPresentNames(before);
  return configKeys
    .filter((key) => !free.includes(key) && own[key] !== after[key])
    .map((key) => `${key}: ${JSON.stringify(own[key])} → ${JSON.stringify(after[key])}`);
}

/** Values of earlier releases under the names that they have now. */
function withPresentNames(config: TrainConfig): TrainConfig {
  const entries = Object.entries(config) as [TrainSettingName, unknown][];
  return Object.fromEntries(
    entries.map(([key, value]) => [key, renamed(trainSettings[key], value)]),
  ) as unknown as TrainConfig;
}

function refuseUnknown(given: object, where: string): void {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(trainSettings, key));
  if (unknown === undefined) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `There is no setting "${unknown}" (in ${where}).${didYouMean(unknown, configKeys)} ` +
      `Settings are ${configKeys.join(', ')}.`,
  );
}
