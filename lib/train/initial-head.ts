/** The weights that training begins with. */
import type { ClassSet } from '../data/class-set.js';
import { loadSourceClasses } from '../data/source-classes.js';
import { ClassHead } from '../model/class-head.js';
import { readForeignHead } from '../model/head-file.js';
import { initialHead } from '../model/init-head.js';
import type { TrainConfig } from './config.js';
import type { GroupOptions } from './head-group.js';

/**
 * First weights for heads with an output a class, or with one more for "no object": random ones by the seed, or rows of the
 * network's own head.
 *
 * @throws DinoSegError HEAD_MISMATCH for `map` on a network without the released head, CLASSES, FILE_NOT_FOUND, IO.
 */
export async function initialWeights(
  config: TrainConfig,
  classSet: ClassSet,
  outputs: number,
): Promise<GroupOptions['initial']> {
  if (config.initHead !== 'map' || config.headKind === 'linear_probe') return { seed: config.seed };
  const sources = await loadSourceClasses(classSet, config.classMap ?? undefined);
  const source = await readForeignHead(config.model);
  return initialHead(source, sources, { noObject: outputs > classSet.classes.length });
}

/** A new head of the recipe on the run's device, with these weights. */
export async function newHead(config: TrainConfig, classSet: ClassSet, hidden: number): Promise<ClassHead> {
  const { device, headPrecision: precision, seed } = config;
  const head = ClassHead.create({ hidden, classes: classSet, device, precision, seed });
  try {
    const weights = await initialWeights(config, classSet, head.classes);
    if ('weight' in weights) await head.restore({ ...(await head.state()), ...weights });
    return head;
  } catch (error) {
    head.dispose();
    throw error;
  }
}
