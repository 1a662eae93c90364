/** Results as text for people. */
import type { FeatureMean } from '../features/write-outputs.js';
import type { CheckpointInspection } from '../model/convert.js';
import type { RecognisedBackbone } from '../native/bindings/engine.js';
import type { DoctorReport } from '../native/doctor/doctor.js';
import { normalizations, normalizationText } from '../model/normalization.js';
import type { SweepRow } from '../train/train-result.js';
import { oneLine, shortened } from '../printable.js';
import { formatBytes } from '../text.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { resultStyle } from './output.js';

const share = (value: number | null) => (value === null ? '–' : `${(100 * value).toFixed(2)} %`);

/** Columns as wide as their widest cell, below a row of headings; numbers to the right. */
export function table(cells: string[][], right: readonly number[] = []): string {
  const rows = cells.map((row) => row.map(oneLine));
  const widths = rows[0]!.map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, row[column]!.length), 0),
  );
  const [headings, ...others] = rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  return [resultStyle('bold', headings!), ...others].join('\n');
}

const longestName = 200;

/** A name or text from a file on one line of the terminal. */
const nameText = (name: string) => oneLine(shortened(name, longestName));

/** What a backbone is, in a line. */
function backboneText({ layout, prefix, dims }: RecognisedBackbone): string {
  const { embedDim, depth, heads, feedForward } = dims;
  return (
    `DINOv3 backbone of width ${embedDim}: ${depth} blocks, ${heads} attention heads, ${feedForward}; ` +
    `keys of ${layout}${prefix === '' ? '' : ` after ${nameText(prefix)}`}`
  );
}

export function inspectionText(inspection: CheckpointInspection): string {
  const { format, tensors, parameters, totalBytes, metadata, files, backbone, normalization } = inspection;
  const rows = tensors.map(({ name, shape, dtype, sizeBytes }) => [
    nameText(name),
    shape.join('×') || 'scalar',
    dtype,
    formatBytes(sizeBytes),
  ]);
  const notes = Object.entries(metadata).map(([key, value]) => `  ${nameText(key)}: ${nameText(value)}`);
  return [
    `${format}, ${tensors.length} tensors, ${parameters.toLocaleString('en')} elements, ${formatBytes(totalBytes)}` +
      (files.length > 1 ? ` in ${files.length} files` : ''),
    ...(backbone ? [backboneText(backbone)] : []),
    ...(format === 'torchscript'
      ? [`normalization: ${normalizationText(normalization ?? normalizations.lvd)}`]
      : []),
    ...(notes.length > 0 ? ['metadata', ...notes] : []),
    ...(rows.length > 0 ? [table([['key', 'shape', 'dtype', 'size'], ...rows], [3])] : []),
  ].join('\n');
}

export function evaluationText(result: Evaluation): string {
  const occurring = result.classes.filter(({ iou }) => iou !== null);
  return [
    `mIoU            ${share(result.mIoU)}  (over the data set, mean of the ${occurring.filter((c) => c.truthPixels > 0).length} classes in the labels)`,
    `per-image IoU   ${share(result.perImageIoU)}  (mean over the images)`,
    `pixel accuracy  ${share(result.pixelAccuracy)}`,
    `loss            ${result.loss?.toFixed(4) ?? '–'}`,
    `images          ${result.images}, ${result.imagesPerSecond.toFixed(2)} images/s`,
    '',
    table(
      [
        ['class', 'IoU', 'labelled pixels'],
        ...occurring.map(({ name, iou, truthPixels }) => [name, share(iou), String(truthPixels)]),
      ],
      [1, 2],
    ),
  ].join('\n');
}

/** The heads of a sweep, the best first. */
export function sweepText(rows: readonly SweepRow[]): string {
  const sorted = [...rows].sort((a, b) => (b.best?.mIoU ?? -1) - (a.best?.mIoU ?? -1));
  const header = ['head', 'mIoU', 'epoch', 'last mIoU', 'lr', 'weight decay', 'loss', 'class weights', ''];
  const cells = sorted.map((row) => [
    String(row.head),
    share(row.best?.mIoU ?? null),
    String(row.best?.epoch ?? '–'),
    share(row.lastMIoU),
    row.learningRate.toPrecision(3),
    row.weightDecay.toPrecision(3),
    row.loss,
    row.classWeights,
    row.outcome,
  ]);
  const last = rows.map(({ lastMIoU }) => lastMIoU).filter((mIoU) => mIoU !== null);
  const mean = last.reduce((sum, mIoU) => sum + mIoU, 0) / last.length;
  const deviation = Math.sqrt(last.reduce((sum, mIoU) => sum + (mIoU - mean) ** 2, 0) / (last.length - 1));
  return [
    table([header, ...cells], [0, 1, 2, 3, 4, 5]),
    ...(last.length > 1 ? [`last mIoU: mean ${share(mean)}, standard deviation ${share(deviation)}`] : []),
  ].join('\n');
}

/** Means of features over the rows of a table; shares of less than a hundredth of a percent are shown as such. */
export function meansText(means: readonly FeatureMean[]): string {
  const rows = means.map(({ name, kind, mean }) => {
    if (mean === null) return [name, '–', ''];
    if (kind === 'count') return [name, mean.toFixed(3), 'per image'];
    return [name, mean > 0 && mean < 0.01 ? '<0.01' : mean.toFixed(2), '%'];
  });
  return table([['feature', 'mean', ''], ...rows], [1]);
}

export function doctorText({ findings }: DoctorReport): string {
  const marks = {
    ok: resultStyle('green', 'ok   '),
    note: resultStyle('yellow', 'note '),
    fault: resultStyle('red', 'FAULT'),
  };
  return findings
    .map(({ name, status, detail, advice }) =>
      [`${marks[status]}  ${name}: ${detail}`, ...(advice ? [`       → ${advice}`] : [])].join('\n'),
    )
    .join('\n');
}
