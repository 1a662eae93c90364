/** Which heads are trained side by side: a grid of settings, or the folds of a cross-validation. */
import { permutation, random, streams } from '../data/random.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { expected, flagOf, valueOfText, type Setting } from '../setting.js';
import type { TrainConfig } from './config.js';
import { settingsWith, trainSettings, type TrainSettingName } from './settings.js';

type Settings = typeof trainSettings;

/**
 * The settings in which the heads of a sweep may differ.
 *
 * @interface
 */
export type SweepSettings = Pick<
  TrainConfig,
  { [K in TrainSettingName]: Settings[K] extends { swept: true } ? K : never }[TrainSettingName]
>;

/** Maximum number of heads. */
const mostHeads = 256;

const swept = settingsWith('swept') as (keyof SweepSettings)[];

/** By the names of their flags. */
const named = new Map(swept.map((key) => [flagOf(key, trainSettings[key]), key]));

const form = 'lr=1e-4,3e-4;weight-decay=0,1e-4;loss=cross-entropy,nll;class-weights=none,frequency';

function refuse(sweep: string, what: string, hint = ''): never {
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `The sweep "${sweep}" is not valid: ${what}.${hint} Expected settings with their values, such as ${form}.`,
  );
}

/**
 * Every combination of a sweep's values; what it does not name is as in `config`.
 *
 * @param sweep settings separated by `;` or spaces, values by `,`.
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function sweepSettings(sweep: string, config: SweepSettings): SweepSettings[] {
  let grid: SweepSettings[] = [pick(config)];
  const seen = new Set<string>();
  for (const part of sweep.split(/[;\s]+/).filter(Boolean)) {
    const [name = '', list = ''] = part.split('=', 2);
    const key = named.get(name);
    if (key === undefined) refuse(sweep, `unknown setting "${name}"`, didYouMean(name, named.keys()));
    if (seen.has(name)) refuse(sweep, `"${name}" is given twice`);
    seen.add(name);
    const values = list.split(',').filter(Boolean);
    if (values.length === 0) refuse(sweep, `"${name}" has no values`);
    const read = values.map((value) => readValue(sweep, name, trainSettings[key], value));
    grid = grid.flatMap((settings) => read.map((value) => ({ ...settings, [key]: value })));
  }
  if (grid.length > mostHeads) refuse(sweep, `it has ${grid.length} heads, and the maximum is ${mostHeads}`);
  return grid;
}

function pick(config: SweepSettings): SweepSettings {
  return Object.fromEntries(swept.map((key) => [key, config[key]])) as unknown as SweepSettings;
}

function readValue(sweep: string, name: string, setting: Setting, text: string): number | string {
  const value = valueOfText(setting, text);
  if (value !== undefined) return value;
  const hint = didYouMean(text, setting.choices ?? []);
  return refuse(sweep, `"${name}" should be ${expected(setting)}, not "${text}"`, hint);
}

/** The settings of a run's heads: those of its sweep, its own once a fold, or its own. */
export function headsOfRun(config: TrainConfig): SweepSettings[] {
  if (config.sweep !== null) return sweepSettings(config.sweep, config);
  return Array.from({ length: Math.max(1, config.folds) }, () => pick(config));
}

/** The fold of each image: as many in each as can be, by the seed. */
export function foldsOf(images: number, folds: number, seed: number): number[] {
  const fold = new Array<number>(images).fill(0);
  permutation(images, random(seed, streams.fold)).forEach((image, place) => (fold[image] = place % folds));
  return fold;
}
