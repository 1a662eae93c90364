/** Evaluations as sections of a report: alone, or several beside each other. */
import { checkArgument, listOf, objectWith, text } from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { count, duration, figure, percent } from '../report/html/format.js';
import type {
  ClassesSection,
  ClassResults,
  ConfusionSection,
  FiguresSection,
  PropertiesSection,
  ReportSection,
} from '../report/html/report.js';
import { counted } from '../text.js';
import { evaluationKind, type Evaluation } from './evaluation.js';

/** An evaluation with a name. */
export interface NamedEvaluation {
  /** Name in the report, e.g. `before training`. */
  name: string;
  /** The evaluation, on the same classes as the others. */
  evaluation: Evaluation;
}

const named = objectWith<NamedEvaluation>('{name, evaluation}', { name: text, evaluation: evaluationKind });
const several = listOf(named, 'an array of at least one {name, evaluation}');
const resultsKind = { ...several, is: (value: unknown) => several.is(value) && (value as []).length > 0 };

/** Diagonal by sum of each row, or of each column; null where that is 0. */
function shares(confusion: readonly (readonly number[])[], by: 'row' | 'column'): (number | null)[] {
  return confusion.map((row, k) => {
    const line = by === 'row' ? row : confusion.map((each) => each[k]!);
    const total = line.reduce((sum, pixels) => sum + pixels, 0);
    return total === 0 ? null : row[k]! / total;
  });
}

function classResults({ name, evaluation }: NamedEvaluation): ClassResults {
  const { classes, confusion } = evaluation;
  return {
    name,
    iou: classes.map(({ iou }) => iou),
    truthPixels: classes.map(({ truthPixels }) => truthPixels),
    precision: shares(confusion, 'column'),
    recall: shares(confusion, 'row'),
  };
}

/** The figures of one evaluation, large. */
export function evaluationFigures(evaluation: Evaluation): FiguresSection['figures'] {
  const { mIoU, perImageIoU, pixelAccuracy, loss, images, classes } = evaluation;
  const occurring = classes.filter(({ truthPixels }) => truthPixels > 0).length;
  return [
    {
      label: 'mIoU',
      value: percent(mIoU),
      note: `over the data set, mean of the ${counted(occurring, 'class', 'classes')} in the labels`,
    },
    { label: 'Pixel accuracy', value: percent(pixelAccuracy) },
    { label: 'Per-image IoU', value: percent(perImageIoU), note: 'mean over the images' },
    { label: 'Loss', value: figure(loss) },
    { label: 'Images', value: count(images) },
  ];
}

/** IoU of every class, and the confusion matrix of the last evaluation. */
export function classSections(
  results: readonly NamedEvaluation[],
  { classes }: ClassSet,
): [ClassesSection, ConfusionSection] {
  const last = results.at(-1)!;
  const several = results.length > 1;
  return [
    {
      kind: 'classes',
      title: 'Classes',
      note: several
        ? 'Intersection over union of each class. A dash means that the class occurs in neither labels nor predictions.'
        : 'Intersection over union of each class. Precision: share of correct pixels among those predicted as the class. ' +
          'Recall: share of correct pixels among those labelled as the class. A dash means that there are no such pixels.',
      classes,
      results: results.map(classResults),
    },
    {
      kind: 'confusion',
      title: several ? `Confusions, ${last.name}` : 'Confusions',
      classes,
      counts: last.evaluation.confusion,
    },
  ];
}

/**
 * Makes report sections of evaluations: metrics, the IoU of each class (for several evaluations side by side, with the change
 * from first to last), and the confusion matrix of the last.
 *
 * @param results one or more evaluations on the same classes.
 */
export function evaluationSections(results: readonly NamedEvaluation[], classSet: ClassSet): ReportSection[] {
  checkArgument(results, resultsKind, 'evaluationSections(results)');
  checkArgument(classSet, classSetKind, 'evaluationSections(classSet)');
  const figures = results.map(({ name, evaluation }): ReportSection => ({
    kind: 'figures',
    title: results.length > 1 ? `Figures, ${name}` : 'Figures',
    figures: evaluationFigures(evaluation),
  }));
  return [...figures, ...classSections(results, classSet)];
}

/** Seconds of an evaluation, and images a second. */
export function evaluationTiming({
  seconds,
  images,
  imagesPerSecond,
}: Evaluation): PropertiesSection['groups'][number] {
  return {
    title: 'Timing',
    rows: [
      ['Evaluation', `${duration(seconds)} for ${counted(images, 'image')}`],
      ['Images per second', imagesPerSecond.toFixed(2)],
    ],
  };
}
