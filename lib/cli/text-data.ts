/** What `data check` found, as text for people. */
import { faultKinds, type DataCheck, type DataFault } from '../data/check.js';
import type { SplitCheck } from '../data/split-check.js';
import { leftOutText } from '../images/left-out.js';
import { table } from './text.js';

/** Faults of a kind that are printed. */
const listed = 20;

const titles: Record<DataFault['kind'], string> = {
  split: 'splits that cannot be read',
  unpaired: 'images or labels without a counterpart',
  unreadable: 'files that cannot be read',
  misshapen: 'label images with the wrong size, or with colours',
  'unknown-value': 'label files with values that are not in the class set',
  'unknown-label': 'annotations with labels that are not in the class set',
  duplicate: 'images that occur in two splits',
};

const percent = (share: number) => (share > 0 && share < 1e-4 ? '<0.01 %' : `${(100 * share).toFixed(2)} %`);

function splitText({ split, pairs, pixels, ignoredPixels, leftOut, classes }: SplitCheck): string {
  const beside = leftOutText(leftOut);
  const all = pixels + ignoredPixels;
  const absent = classes.filter((each) => each.pixels === 0).map(({ name }) => name);
  const rows = classes
    .filter((each) => each.pixels > 0)
    .map(({ name, pixels, share, images }) => [name, percent(share!), String(pixels), String(images)]);
  return [
    `${split}: ${pairs} pairs, ${pixels} pixels with a class` +
      (all > 0 ? `, ${ignoredPixels} without (${percent(ignoredPixels / all)})` : ''),
    ...(beside === undefined ? [] : [`left out: ${beside}`]),
    ...(rows.length > 0 ? [table([['class', 'share', 'pixels', 'images'], ...rows], [1, 2, 3])] : []),
    ...(absent.length > 0 ? [`classes without pixels: ${absent.join(', ')}`] : []),
  ].join('\n');
}

function faultsText(kind: DataFault['kind'], faults: readonly DataFault[]): string {
  const lines = faults.slice(0, listed).map(({ split, path, message }) => {
    // Errors of reading name the file themselves.
    const text = message.startsWith(path) ? message : `${path}: ${message}`;
    return `  ${split}  ${text}`;
  });
  const more = faults.length - lines.length;
  return [
    `${faults.length} ${titles[kind]}`,
    ...lines,
    ...(more > 0 ? [`  and ${more} more (--json lists all)`] : []),
  ].join('\n');
}

/** Splits and their classes, then what is wrong, by kind. */
export function dataCheckText({
  data,
  layout,
  classes,
  labelKind,
  splits,
  skipped,
  faults,
  warnings,
}: DataCheck): string {
  const kinds = faultKinds.flatMap((kind) => {
    const own = faults.filter((fault) => fault.kind === kind);
    return own.length > 0 ? [faultsText(kind, own)] : [];
  });
  return [
    `${data}: layout ${layout}, class set ${classes}${labelKind === null ? '' : `, labels read as ${labelKind}`}`,
    ...splits.map(splitText),
    ...skipped.map(({ split, message }) => `${split}: skipped. ${message}`),
    ...(warnings.length > 0
      ? [warnings.map(({ split, message }) => `warning: ${split}: ${message}`).join('\n')]
      : []),
    ...kinds,
    faults.length === 0 ? 'no faults found' : `${faults.length} faults`,
  ].join('\n\n');
}
