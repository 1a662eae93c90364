/** Chooses the scoring and the class set of a head. */
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
 * Returns the scoring of a head with a class set: `recipe` if the head has one output per class, `ade20k` if it has
 * one more, the last, for "no object". A linear probe has no such output.
 *
 * @param wanted the scoring to use, if the number of outputs allows it.
 * @throws DinoSegError HEAD_MISMATCH if the head has another number of outputs.
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
    `The head has ${classes} outputs, but the class set "${classSet.name}" has ${length} classes. Expected ` +
      (wanted === 'recipe' || !hasNoObject
        ? `${length} outputs for recipe scoring.`
        : wanted === 'ade20k'
          ? `${length + 1} outputs for ade20k scoring (the last for "no object").`
          : `${length} outputs, or ${length + 1} with the last for "no object".`) +
      ' Choose the class set of the head (--classes).',
  );
}

/**
 * Returns the class set of a head: the named one, else the one in its file, else ADE20K's for 151 outputs.
 *
 * @throws DinoSegError CLASSES if nothing states what the outputs mean, or as {@link loadClassSet}.
 */
export async function classSetOf(head: SegmentationHead, named?: string): Promise<ClassSet> {
  checkArgument(head, headKind, 'classSetOf(head)');
  if (named !== undefined) checkArgument(named, text, 'classSetOf(named)');
  if (named !== undefined) return loadClassSet(named);
  if (head.classSet !== null) return head.classSet;
  if (head.classes === ade20kOutputs) return loadClassSet('ade150');
  throw new DinoSegError(
    'CLASSES',
    `The classes of the head's ${head.classes} outputs are unknown: its file does not name them. ` +
      'Choose a class set (--classes idd26, cityscapes19, … or a .json file).',
  );
}
