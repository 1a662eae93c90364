/** A run's settings, complete and checked (settings.ts has the table). */
import { checkArgument, kind, text as textKind } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { checkImageSize } from '../model/image-size.js';
import { isObject } from '../json.js';
import { didYouMean } from '../nearest.js';
import { expected, fits, flagOf, renamed, type Setting, type ValueOf } from '../setting.js';
import { readSettingsFile } from '../settings-file.js';
import { withoutUndefined } from '../without-undefined.js';
import { trainPresets } from './presets.js';
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
export type HeadKind = NonNullable<TrainConfig['headKind']>;

/** The settings of a run, with the kind of head that its network takes (head-kind.ts). */
export type RunConfig = TrainConfig & { headKind: HeadKind };

/** Settings by name; which ones there are is for `resolveConfig` to say. */
export const settingsKind = kind<object>('an object of settings', isObject);

/** Defaults of the recipe; `model`, `data` and `out` have none. */
export const trainDefaults = Object.fromEntries(
  Object.entries(trainSettings).flatMap(([name, setting]) =>
    'default' in setting ? [[name, setting.default]] : [],
  ),
) as Readonly<Omit<TrainConfig, 'model' | 'data' | 'out'>>;

/**
 * Completes settings with those of their preset and the recipe's defaults, and checks them. Without a kind of head, the preset's
 * settings are those of class_embed; a run takes those of the kind that its network has.
 *
 * @throws DinoSegError INVALID_ARGUMENT with the name of the setting, the expected and the given value; SHAPE for an image
 *   size that is not a multiple of 32.
 */
export function resolveConfig(given: Partial<TrainConfig>): TrainConfig {
  checkArgument(given, settingsKind, 'resolveConfig(given)');
  refuseUnknown(given);
  const config = withPresentNames({
    ...trainDefaults,
    // A preset or kind of another name is refused below.
    ...(given.preset && trainPresets[given.preset]?.[given.headKind ?? 'class_embed']),
    ...withoutUndefined(given),
  } as TrainConfig);
  for (const name of configKeys) {
    const setting: Setting = trainSettings[name];
    const value = config[name];
    const nullable = setting.default === null;
    if (fits(setting, value) || (nullable && value === null)) continue;
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      value === undefined
        ? `Missing --${flagOf(name, setting)} ${setting.value}: ${setting.help} (setting "${name}").`
        : `The setting "${name}" should be ${expected(setting)}${nullable ? ', or null' : ''}, not ${JSON.stringify(value)}.`,
    );
  }
  if (config.mode === 'live') refuseCachedOnly(config);
  if (config.headKind !== null) refuseOfOtherKinds(config);
  if (config.sweep !== null && config.folds > 0)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      'A run has either a sweep or folds, not both. Sweep first, then train the folds with the best settings.',
    );
  checkImageSize(config.imageSize, config.imageSize);
  return config;
}

/** Settings that only one kind of head has. */
const settingsOfKind = {
  class_embed: ['loss', 'initHead'],
  linear_probe: ['layers'],
} as const satisfies Record<HeadKind, readonly TrainSettingName[]>;

/** Refuses settings that the run's kind of head does not have, instead of ignoring them. */
function refuseOfOtherKinds(config: TrainConfig): void {
  const isProbe = config.headKind === 'linear_probe';
  for (const key of settingsOfKind[isProbe ? 'class_embed' : 'linear_probe'])
    if (config[key] !== trainDefaults[key])
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The setting "${key}" is ${JSON.stringify(config[key])}, but ` +
          (isProbe
            ? 'a linear probe does not support it. Omit it.'
            : 'class_embed reads queries and masks. Omit it, or train a linear probe with --head-kind linear_probe.'),
      );
}

/** Refuses settings that live training does not support, instead of ignoring them. */
function refuseCachedOnly(config: TrainConfig): void {
  for (const key of settingsWith('cachedOnly'))
    if (config[key] !== (trainSettings[key] as Setting).default)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The setting "${key}" is ${JSON.stringify(config[key])}, but live training does not support it. Use mode cached.`,
      );
}

/**
 * Reads settings from a YAML or JSON file with the names of {@link TrainConfig}, or from a run's config.json.
 *
 * @throws DinoSegError FILE_NOT_FOUND, IO; INVALID_ARGUMENT for any other file.
 */
export async function readConfigFile(path: string): Promise<Partial<TrainConfig>> {
  checkArgument(path, textKind, 'readConfigFile(path)');
  const { settings } = await readSettingsFile(path);
  refuseUnknown(settings, ` in ${path}`);
  return settings;
}

/** The settings in which a run and its continuation differ and may not, as `epochs: 20 → 30`. */
export function configDifferences(before: TrainConfig, after: TrainConfig): string[] {
  const free = settingsWith('freeOnResume');
  const own = withPresentNames(before);
  return configKeys
    .filter((key) => !free.includes(key) && compared(own, key) !== compared(after, key))
    .map((key) => `${key}: ${JSON.stringify(own[key])} → ${JSON.stringify(after[key])}`);
}

/** What a run depends on of a setting: heads train on the first device, and a cache is the same whichever made it. */
function compared(config: TrainConfig, key: TrainSettingName): unknown {
  return key === 'device' ? config.device.split(',')[0] : config[key];
}

/** Values of earlier releases under the names that they have now. */
function withPresentNames(config: TrainConfig): TrainConfig {
  const present: Record<string, unknown> = { ...config };
  // A run of another release may have settings that this one lacks.
  for (const key of configKeys) if (key in present) present[key] = renamed(trainSettings[key], present[key]);
  return present as unknown as TrainConfig;
}

function refuseUnknown(given: object, where = ''): void {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(trainSettings, key));
  if (unknown === undefined) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `Unknown setting "${unknown}"${where}.${didYouMean(unknown, configKeys)} ` +
      `The settings are ${configKeys.join(', ')}.`,
  );
}
