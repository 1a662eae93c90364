/** What `compare` found, as text for people. */
import type { ComparedSide } from '../compare/compared-network.js';
import type { Comparison } from '../compare/comparison.js';
import type { ImageMean } from '../compare/standard-error.js';
import { figure, percent } from '../report/html/format.js';
import { table } from './text.js';

/** `99.41 ± 0.05`; without the error of a single image. */
function withError({ mean, standardError }: ImageMean, show: (value: number) => string): string {
  return standardError === null ? show(mean) : `${show(mean)} ± ${show(standardError)}`;
}

const points = (share: number) => (100 * share).toFixed(2);

function sideText({ model, head, dtype, precision }: ComparedSide): string {
  return `${model}, ${head ?? 'own head'}, ${dtype}, precision ${precision}`;
}

function errorText(error: ImageMean | null): string {
  return error === null ? '–  (A and B do not have the same)' : withError(error, figure);
}

function labelText({ labels }: Comparison): string[] {
  if (labels === null) return [];
  const { a, b, difference } = labels;
  const { mIoU, standardError } = difference;
  const apart =
    mIoU === null ? '' : `, A − B ${withError({ mean: mIoU, standardError }, points)} percentage points`;
  return [
    `mIoU            A ${percent(a.mIoU, 2)}, B ${percent(b.mIoU, 2)}${apart}`,
    `pixel accuracy  A ${percent(a.pixelAccuracy, 2)}, B ${percent(b.pixelAccuracy, 2)}`,
  ];
}

function classTable({ classes, labels }: Comparison): string {
  const rows = classes
    .filter(({ pixelsA, pixelsB, iouA, iouB }) => pixelsA + pixelsB > 0 || iouA !== null || iouB !== null)
    .map(({ name, share, pixelsA, pixelsB, iouA, iouB }) => [
      ...[name, percent(share, 2), String(pixelsB), String(pixelsA)],
      ...(labels ? [percent(iouA, 2), percent(iouB, 2)] : []),
    ]);
  const headings = [
    'class',
    'same',
    'pixels by B',
    'pixels by A',
    ...(labels ? ['IoU of A', 'IoU of B'] : []),
  ];
  return table([headings, ...rows], [1, 2, 3, 4, 5]);
}

/** Both sides, how they differ, and the classes. `same`: of the pixels that B gives a class, those that A gives it, too. */
export function comparisonText(comparison: Comparison): string {
  const { a, b, images, imageSize, samePixels, classLogits, maskLogits } = comparison;
  return [
    `A               ${sideText(a)}`,
    `B               ${sideText(b)}`,
    `images          ${images}, at ${imageSize}×${imageSize}`,
    `same class      ${samePixels === null ? '–' : `${withError(samePixels, points)} % of the pixels`}`,
    `class logits    ${errorText(classLogits)}`,
    `mask logits     ${errorText(maskLogits)}`,
    ...labelText(comparison),
    '',
    'Logits: relative error ‖A − B‖ / ‖B‖. ±: standard error over the images.',
    'same: of the pixels that B gives the class, those that A gives it, too.',
    '',
    classTable(comparison),
  ].join('\n');
}
