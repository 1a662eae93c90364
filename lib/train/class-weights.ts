/** How much the pixels of each class weigh in the loss. */
import type { ClassSet } from '../data/class-set.js';
import { DinoSegError } from '../errors.js';
import { readJson } from '../files.js';
import { didYouMean } from '../nearest.js';

/**
 * Weight of each class; null for `none`.
 *
 * @param setting `none`; `frequency`: 1 / ln(1.02 + share of the labelled pixels), between 1.4 and 50.5 (ENet, Paszke et
 *   al. 2016, section 5.2); else a JSON file `{"class name": weight, …}`, classes that it leaves out weigh 1.
 * @param classPixels labelled pixels of each class in the training images.
 * @throws DinoSegError FILE_NOT_FOUND, IO, CLASSES for a file that is something else.
 */
export async function classWeights(
  setting: string,
  classSet: ClassSet,
  classPixels: readonly number[],
): Promise<number[] | null> {
  if (setting === 'none') return null;
  if (setting !== 'frequency') return readWeights(setting, classSet);
  const total = classPixels.reduce((sum, pixels) => sum + pixels, 0);
  return classPixels.map((pixels) => 1 / Math.log(1.02 + pixels / Math.max(1, total)));
}

async function readWeights(path: string, { name: setName, classes }: ClassSet): Promise<number[]> {
  const expected = (what: string, hint = '') =>
    `${path} should contain weights by class name, such as {"${classes[0]!.name}": 2}; ${what}.${hint}`;
  const refuse = (what: string, hint?: string): never => {
    throw new DinoSegError('CLASSES', expected(what, hint));
  };
  const parsed = await readJson(path, 'CLASSES', (reason) => expected(`it is not JSON: ${reason}`));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return refuse('it is not an object');
  const weights = classes.map(() => 1);
  const names = classes.map(({ name }) => name);
  for (const [name, weight] of Object.entries(parsed as Record<string, unknown>)) {
    const index = names.indexOf(name);
    if (index < 0) refuse(`"${setName}" has no class "${name}"`, didYouMean(name, names));
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0)
      refuse(`the weight of "${name}" is ${JSON.stringify(weight)}, not a number of at least 0`);
    weights[index] = weight as number;
  }
  return weights;
}
