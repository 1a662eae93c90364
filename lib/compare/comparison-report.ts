/** The report of a comparison. */
import type { ClassSet } from '../data/class-set.js';
import { differencePicture } from '../report/html/difference.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import { failureTable } from '../report/html/failures.js';
import { count, figure, now, percent } from '../report/html/format.js';
import type {
  ClassesSection,
  FiguresSection,
  PropertiesSection,
  Report,
  ReportSection,
  TableSection,
} from '../report/html/report.js';
import { counted } from '../text.js';
import type { Comparison } from './comparison.js';
import type { ImageSource } from './image-source.js';
import type { DifferentImage } from './most-different.js';
import type { ImageMean } from './standard-error.js';

/** Images that are listed. */
const listed = 100;

/** Images that a report shows. */
export interface ShownDifferences {
  source: ImageSource;
  classSet: ClassSet;
  /** Most different first. */
  different: readonly DifferentImage[];
}

/**
 * Makes the report: figures, the images that differ most, classes, images.
 *
 * @param circumstances settings of both sides, and of the machine.
 * @throws DinoSegError of reading images
 */
export async function comparisonReport(
  comparison: Comparison,
  shown: ShownDifferences,
  circumstances: PropertiesSection['groups'],
): Promise<Report> {
  const { a, b, images, imageSize, classSet, labels, failed } = comparison;
  const { different } = shown;
  const sections: ReportSection[] = [figuresOf(comparison)];
  if (different.length > 0) {
    const note = `${different.length} of ${counted(images, 'image')}, the most different first.`;
    const heading = { title: 'Images that differ most', note };
    sections.push(await examplesSection(heading, pictures(comparison, shown), shown.classSet));
  }
  sections.push(sameClasses(comparison));
  if (labels) sections.push(classIous(comparison, shown.classSet));
  if (images > 0) sections.push(imagesTable(comparison));
  if (failed.length > 0) sections.push(failureTable(failed));
  const networks = a.model === b.model ? a.model : `${a.model} and ${b.model}`;
  return {
    title: `Comparison on ${classSet}`,
    lead: `${counted(images, 'image')} at ${imageSize}×${imageSize} with ${networks}.`,
    made: now(),
    sections: [...sections, { kind: 'properties', title: 'Settings and machine', groups: circumstances }],
  };
}

const spread = (measured: ImageMean | null, show: (value: number) => string, unit = '') =>
  measured === null || measured.standardError === null
    ? ''
    : `± ${show(measured.standardError)}${unit}, standard error over the images`;

function figuresOf({ samePixels, classLogits, maskLogits, labels, images }: Comparison): FiguresSection {
  const points = (share: number) => (100 * share).toFixed(2);
  const relative = (label: string, error: ImageMean | null) => ({
    label,
    value: figure(error?.mean),
    note: `relative error ‖A − B‖ / ‖B‖ ${spread(error, figure)}`.trimEnd(),
  });
  const difference = labels?.difference.mIoU ?? null;
  const metrics = labels
    ? [
        { label: 'mIoU of A', value: percent(labels.a.mIoU, 2) },
        { label: 'mIoU of B', value: percent(labels.b.mIoU, 2) },
        {
          label: 'Difference of mIoU, points',
          value: difference === null ? '–' : points(difference),
          note: spread({ mean: 0, standardError: labels.difference.standardError }, points),
        },
      ]
    : [];
  return {
    kind: 'figures',
    title: 'Figures',
    figures: [
      {
        label: 'Pixels with the same class',
        value: percent(samePixels?.mean, 2),
        note: spread(samePixels, points, ' points'),
      },
      relative('Class logits', classLogits),
      relative('Mask logits', maskLogits),
      ...metrics,
      { label: 'Images', value: count(images) },
    ],
  };
}

/** The images that differ most, read again one at a time. */
async function* pictures(
  { imageSize }: Comparison,
  { source, different }: ShownDifferences,
): AsyncGenerator<ExampleInput, void, void> {
  const size = { width: imageSize, height: imageSize };
  for (const { place, same, maps } of different) {
    const { name, image, label } = await source.load(place);
    const [a, b] = [
      { data: maps[0], ...size },
      { data: maps[1], ...size },
    ] as const;
    yield {
      ...{ name, image, caption: `${percent(1 - same, 2)} of the pixels have another class.` },
      maps: [
        { role: 'prediction', name: 'A', ...a },
        { role: 'prediction', name: 'B', ...b },
        ...(label ? [{ role: 'truth' as const, ...label }] : []),
      ],
      pictures: { 'different pixels': await differencePicture(image, a, b) },
    };
  }
}

const number = (value: number | null, text: string) => ({ value, text });

function sameClasses({ classes }: Comparison): TableSection {
  return {
    kind: 'table',
    title: 'Classes',
    note: 'Share: of the pixels that B gives the class, those that A gives it, too. A dash means that B gives it no pixel.',
    columns: ['Class', 'Share', 'Pixels by B', 'Pixels by A', 'Pixels by both'],
    rows: classes.map(({ name, share, pixelsA, pixelsB, pixelsBoth }) => [
      name,
      number(share, percent(share, 2)),
      ...[pixelsB, pixelsA, pixelsBoth].map((pixels) => number(pixels, count(pixels))),
    ]),
  };
}

function classIous({ classes }: Comparison, set: ClassSet): ClassesSection {
  return {
    kind: 'classes',
    title: 'Classes by IoU',
    note: 'Intersection over union of each class. A dash means that the class occurs in neither labels nor predictions.',
    classes: set.classes,
    results: [
      { name: 'B', iou: classes.map(({ iouB }) => iouB) },
      { name: 'A', iou: classes.map(({ iouA }) => iouA) },
    ],
  };
}

function imagesTable({ perImage, labels }: Comparison): TableSection {
  const sorted = [...perImage].sort((one, other) => one.samePixels - other.samePixels);
  const which =
    sorted.length > listed
      ? `The ${listed} most different of ${counted(sorted.length, 'image')}.`
      : 'The most different first.';
  return {
    kind: 'table',
    title: 'Images',
    note: `Share of pixels with the same class, relative errors${labels ? ', mean IoU over the classes of each image' : ''}. ${which}`,
    columns: [
      'Image',
      'Same class',
      'Class logits',
      'Mask logits',
      ...(labels ? ['IoU by A', 'IoU by B'] : []),
    ],
    rows: sorted
      .slice(0, listed)
      .map(({ name, samePixels, classLogits, maskLogits, iouA, iouB }) => [
        name,
        number(samePixels, percent(samePixels, 2)),
        ...[classLogits, maskLogits].map((error) => number(error, figure(error))),
        ...(labels ? [iouA, iouB].map((iou) => number(iou, percent(iou))) : []),
      ]),
  };
}
