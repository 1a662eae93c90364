/** Initial weights of a head from the released head, which has ADE20K's 150 classes and "no object". */
import type { ClassSet } from '../data/class-set.js';
import { loadSourceClasses, type SourceClasses } from '../data/source-classes.js';
import { DinoSegError } from '../errors.js';
import { ClassHead } from './class-head.js';
import type { HeadValues } from './head-file.js';
import type { SegmentationModel } from './segmentation-model.js';

/** Outputs of the released head; the last is "no object". */
const sourceOutputs = 151;
const noObject = sourceOutputs - 1;

export interface InitialHeadOptions {
  /** Whether the head has an output for "no object", its last one (mask2former loss). */
  noObject: boolean;
  /** File of a class map, in place of the one that the set has (see {@link loadSourceClasses}). */
  classMap?: string;
}

/**
 * Initial weights for a class set from the model's own class_embed.
 *
 * @throws DinoSegError HEAD_MISMATCH for a model whose head is not the released one, CLASSES, FILE_NOT_FOUND, IO,
 *   DISPOSED.
 */
export async function initialHeadOfModel(
  model: SegmentationModel,
  set: ClassSet,
  options: InitialHeadOptions,
): Promise<HeadValues> {
  const sources = await loadSourceClasses(set, options.classMap);
  using head = ClassHead.ofModel(model);
  const { weight, bias } = await head.state();
  return initialHead({ classes: head.classes, hidden: head.hidden, weight, bias }, sources, options);
}

/**
 * Initial weights for classes with the given sources. A class with sources starts from the mean of their rows and
 * biases; with one source it keeps that logit.
 *
 * In a head without "no object", the classes without a source share the row of "no object". Its bias is lowered by
 * the logarithm of their number, so that together they have exactly its weight against the others. Queries without
 * an object are then spread over the classes that ADE20K lacks and do not push into classes that it has.
 *
 * In a head with "no object", that row is copied to its own output. Classes without a source must not start from it
 * too: every empty query would vote for them, and `ade20k` scoring, which drops "no object", would show them
 * wherever there is nothing else. They start from the mean of all 150 class rows instead. Their logit is then the
 * mean of the classes' logits, and their share is at most the mean of the classes' shares: almost nothing where a
 * query has a clear class.
 *
 * @throws DinoSegError HEAD_MISMATCH unless `source` has 151 outputs.
 */
export function initialHead(
  source: HeadValues,
  sources: SourceClasses,
  options: Pick<InitialHeadOptions, 'noObject'>,
): HeadValues {
  const { hidden } = source;
  if (source.classes !== sourceOutputs)
    throw new DinoSegError(
      'HEAD_MISMATCH',
      `Initial weights need a head with ADE20K's 150 classes and "no object" (151 outputs); this one has ${source.classes} ` +
        'outputs. Use the network with its released head, or start from random weights (--init-head xavier).',
    );
  const classes = sources.length + (options.noObject ? 1 : 0);
  const weight = new Float32Array(classes * hidden);
  const bias = new Float32Array(classes);
  const put = (output: number, rows: readonly number[], lowered = 0) => {
    for (let c = 0; c < hidden; c++)
      weight[output * hidden + c] = mean(rows, (row) => source.weight[row * hidden + c]!);
    bias[output] = mean(rows, (row) => source.bias[row]!) - lowered;
  };
  const without = sources.filter(({ length }) => length === 0).length;
  const allClasses = Array.from({ length: noObject }, (_, row) => row);
  for (const [output, rows] of sources.entries()) {
    if (rows.length > 0) put(output, rows);
    else if (options.noObject) put(output, allClasses);
    else put(output, [noObject], Math.log(without));
  }
  if (options.noObject) put(sources.length, [noObject]);
  return { classes, hidden, weight, bias };
}

function mean(rows: readonly number[], value: (row: number) => number): number {
  return rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
}
