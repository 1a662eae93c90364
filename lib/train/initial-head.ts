/** The weights that training begins with. */
import type { ClassSet } from '../data/class-set.js';
import { ClassHead } from '../model/class-head.js';
import type { InitialWeights } from './cached-heads.js';
import type { TrainConfig } from './config.js';

/** A new head on the run's device: xavier by the seed. */
export async function initialHead(
  config: TrainConfig,
  classSet: ClassSet,
  hidden: number,
): Promise<ClassHead> {
  return ClassHead.create({ ...config, hidden, classes: classSet });
}

/** The same weights as arrays, for heads of any number of outputs. */
export function initialWeights(config: TrainConfig, classSet: ClassSet, hidden: number): InitialWeights {
  return async (outputs) => {
    using head = ClassHead.create({ hidden, classes: outputs, seed: config.seed });
    const { weight, bias } = await head.state();
    return { weight, bias };
  };
}
