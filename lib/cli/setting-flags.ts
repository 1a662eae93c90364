/** Flags made of the table of training settings, which other commands share in part. */
import { flagOf, type Setting } from '../setting.js';
import type { TrainConfig } from '../train/config.js';
import { configKeys, trainSettings, type TrainSettingName } from '../train/settings.js';
import { withoutUndefined } from '../without-undefined.js';

type Settings = typeof trainSettings;

/** `imageSize` as `image-size`. */
type Hyphened<S extends string> = S extends `${infer First}${infer Rest}`
  ? `${First extends Uppercase<First> ? `-${Lowercase<First>}` : First}${Hyphened<Rest>}`
  : S;

type FlagName<K extends TrainSettingName> = Settings[K] extends { flag: infer F extends string }
  ? F
  : Hyphened<K>;

type SettingFlags<K extends TrainSettingName> = {
  [Name in K as FlagName<Name>]: Omit<Settings[Name], 'default'>;
};

/** The flags of some settings. Defaults appear only in the help: a resumed run has its own values. */
export function settingFlags<K extends TrainSettingName>(...names: K[]): SettingFlags<K> {
  const flags = names.map((name) => {
    const setting: Setting = trainSettings[name];
    const { default: usual = null, ...rest } = setting;
    const help = usual === null ? rest.help : `${rest.help} (default ${usual})`;
    return [flagOf(name, setting), { ...rest, setting: name, help }];
  });
  return Object.fromEntries(flags) as SettingFlags<K>;
}

/** The settings that flags give. */
export function settingsOf(flags: object): Partial<TrainConfig> {
  const given = flags as Record<string, unknown>;
  const settings = configKeys.map((name) => [name, given[flagOf(name, trainSettings[name])]]);
  return withoutUndefined(Object.fromEntries(settings) as Record<string, unknown>);
}
