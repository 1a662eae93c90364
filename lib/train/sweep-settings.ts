/** Which heads are trained side by side: a grid of settings, or the folds of a cross-validation. */
import { permutation, random, streams } from '../data/random.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { lossNames, type LossName, type TrainConfig } from './config.js';

/** What differs between the heads of a sweep. */
export interface SweepSettings {
  /** At the start, as in {@link TrainConfig}. */
  learningRate: number;
  /** Of AdamW. */
  weightDecay: number;
  /** What the head learns from. */
  loss: LossName;
  /** As in {@link TrainConfig}. */
  classWeights: string;
}

/** At most so many heads at a time. */
const mostHeads = 256;

const names = {
  lr: 'learningRate',
  'weight-decay': 'weightDecay',
  loss: 'loss',
  'class-weights': 'classWeights',
} as const satisfies Record<string, keyof SweepSettings>;

const form = 'lr=1e-4,3e-4;weight-decay=0,1e-4;loss=reference,nll;class-weights=none,frequency';

function refuse(sweep: string, what: string): never {
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `The sweep "${sweep}" cannot be read: ${what}. Expected settings with their values, such as ${form}.`,
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
    if (!Object.hasOwn(names, name))
      refuse(sweep, `it has no setting "${name}"${didYouMean(name, Object.keys(names))}`);
    if (seen.has(name)) refuse(sweep, `"${name}" is named twice`);
    seen.add(name);
    const key = names[name as keyof typeof names];
    const values = list.split(',').filter(Boolean);
    if (values.length === 0) refuse(sweep, `"${name}" has no values`);
    const read = values.map((value) => readValue(sweep, key, value));
    grid = grid.flatMap((settings) => read.map((value) => ({ ...settings, [key]: value })));
  }
  if (grid.length > mostHeads)
    refuse(sweep, `it makes ${grid.length} heads, at most ${mostHeads} are trained at a time`);
  return grid;
}

function pick({ learningRate, weightDecay, loss, classWeights }: SweepSettings): SweepSettings {
  return { learningRate, weightDecay, loss, classWeights };
}

function readValue(sweep: string, key: keyof SweepSettings, text: string): number | string {
  if (key === 'classWeights') return text;
  if (key === 'loss') {
    if (!(lossNames as readonly string[]).includes(text))
      refuse(sweep, `there is no loss "${text}"${didYouMean(text, lossNames)}`);
    return text;
  }
  const value = Number(text);
  const least = key === 'learningRate' ? Number.MIN_VALUE : 0;
  if (!Number.isFinite(value) || value < least) refuse(sweep, `"${text}" is no ${key}`);
  return value;
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
