/** The weights that training begins with. */
import type { ClassSet } from '../data/class-set.js';
import { loadSourceClasses } from '../data/source-classes.js';
import { ClassHead } from '../model/class-head.js';
import { readForeignHead } from '../model/head-file.js';
import { initialHead } from '../model/init-head.js';
import type { InitialWeights } from './cached-heads.js';
import type { TrainConfig } from './config.js';

/**
 * First weights for a head with an output a class, or with one more for "no object": xavier by the seed, or rows of the
 * network's own head; for linear probes, the seed.
 *
 * @throws DinoSegError (when called) HEAD_MISMATCH for `map` on a network without the released head, CLASSES, FILE_NOT_FOUND,
 *   IO.
 */
export function initialWeights(config: TrainConfig, classSet: ClassSet, hidden: number): InitialWeights {
  return async (outputs) => {
    if (config.headKind === 'linear_probe') return { seed: config.seed };
    if (config.initHead === 'map') {
      const sources = await loadSourceClasses(classSet, config.classMap ?? undefined);
      const source = await readForeignHead(config.model);
      return initialHead(source, sources, { noObject: outputs > classSet.classes.length });
    }
    using head = ClassHead.create({ hidden, classes: outputs, seed: config.seed, device: 'cpu' });
    const { weight, bias } = await head.state();
    return { weight, bias };
  };
}

/** A new head of the recipe on the run's device, with these weights. */
export async function newHead(config: TrainConfig, classSet: ClassSet, hidden: number): Promise<ClassHead> {
  const { device, headPrecision: precision, seed } = config;
  const head = ClassHead.create({ hidden, classes: classSet, device, precision, seed });
  if (config.initHead === 'xavier') return head;
  try {
    const weights = await initialWeights(config, classSet, hidden)(head.classes);
    await head.restore({ ...(await head.state()), ...weights });
    return head;
  } catch (error) {
    head.dispose();
    throw error;
  }
}
