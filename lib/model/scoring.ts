/** Which way of scoring belongs to a head and a class set. */
import { checkArgument, text } from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { loadClassSet } from '../data/class-sets.js';
import { DinoSegError } from '../errors.js';
import type { Scoring } from '../native/bindings/engine.js';
import { scoring } from './argument-kinds.js';
import { headKind } from './open-head.js';
import type { SegmentationHead } from './segmentation-head.js';

/** Outputs of the released ADE20K head: 150 classes and "no object". */
const ade20kOutputs = 151;

/**
 * `recipe` for a head with an output a class, `ade20k` for one that has "no object" as one more, its last, which a
 * linear probe has not.
 *
 * @param wanted overrules the choice where the counts allow it.
 * @throws DinoSegError HEAD_MISMATCH when the head has another number of outputs.
 */
export function scoringOf(head: SegmentationHead, classSet: ClassSet, wanted?: Scoring): Scoring {
  checkArgument(head, headKind, 'scoringOf(head)');
  checkArgument(classSet, classSetKind, 'scoringOf(classSet)');
  if (wanted !== undefined) checkArgument(wanted, scoring, 'scoringOf(wanted)');
  const { length } = classSet.classes;
  const { classes } = head;
  const hasNoObject = head.scorings.includes('ade20k');
  const fitting: Scoring | undefined =
    classes === length ? 'recipe' : classes === length + 1 && hasNoObject ? 'ade20k' : undefined;
  if (fitting !== undefined && (wanted === undefined || wanted === fitting)) return fitting;
  throw new DinoSegError(
    'HEAD_MISMATCH',
    `The head has ${classes} outputs, the class set "${classSet.name}" has ${length} classes. Expected ` +
      (wanted === 'recipe' || !hasNoObject
        ? `${length} outputs for recipe scoring.`
        : wanted === 'ade20k'
          ? `${length + 1} outputs for ade20k scoring (one more: no object).`
          : `${length} outputs, or ${length + 1} with a last one for "no object".`) +
      ' Name the class set that the head was made for (--classes).',
  );
}

/**
 * The class set of a head: the one that was named, else the one in its file, else ADE20K's for 151 outputs.
 *
 * @throws DinoSegError CLASSES when nothing says what the outputs mean, or as {@link loadClassSet}.
 */
export async function classSetOf(head: SegmentationHead, named?: string): Promise<ClassSet> {
  checkArgument(head, headKind, 'classSetOf(head)');
  if (named !== undefined) checkArgument(named, text, 'classSetOf(named)');
  if (named !== undefined) return loadClassSet(named);
  if (head.classSet !== null) return head.classSet;
  if (head.classes === ade20kOutputs) return loadClassSet('ade150');
  throw new DinoSegError(
    'CLASSES',
    `Nothing says what the head's ${head.classes} outputs mean: its file names no classes. ` +
      'Name the class set (--classes idd26, cityscapes19, … or a .json file).',
  );
}
