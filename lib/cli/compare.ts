import { compare } from '../compare/compare.js';
import type { ComparedNetwork } from '../compare/compared-network.js';
import type { LabelledImages } from '../compare/image-source.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { comparisonText } from './text-compare.js';
import { segmenterFlags } from './open-segmenter.js';
import { complain, imageProgress, note, print, printJson, warn } from './output.js';
import { UsageError, type Flags, type FlagValues } from './parse.js';
import { dataFlags, images as imageArguments, jsonFlag, placementOf, readingOf } from './shared-flags.js';

const { model, head, dtype, precision } = segmenterFlags;

const flags = {
  ...segmenterFlags,
  model: { ...model, times: 2, help: `${model.help}; twice, for two networks` },
  head: { ...head, times: 2, help: `${head.help}; twice, for two heads` },
  dtype: { ...dtype, times: 2, help: `${dtype.help}; two, for example bfloat16,float32` },
  precision: { ...precision, times: 2, help: `${precision.help}; two, for example float16,reference` },
  data: {
    type: 'text',
    value: 'DIR',
    help: 'folder of labelled images (docs/data.md), or a list of pairs, instead of IMAGE…: compares mIoU, too',
  },
  split: {
    type: 'text',
    value: 'NAME',
    default: 'val',
    help: 'split of --data; all: the images of a data set without splits',
  },
  ...dataFlags,
  report: {
    type: 'text',
    value: 'FILE',
    help: 'HTML page to write, with the results and the images that differ most',
  },
  ...jsonFlag,
} as const satisfies Flags;

export default command({
  name: 'compare',
  summary:
    'Compares two precisions, networks or heads (A and B) on the same images: relative errors of class and mask logits, ' +
    'pixels with the same class, and mIoU where there are labels.',
  positionals: { ...imageArguments, least: 0 },
  flags,
  notes:
    'The first of two values is for A, the second for B; a single one is for both. A is measured against B. Of two networks ' +
    'one is in memory at a time; the outputs of A wait in the temporary folder (TMPDIR), about 7 MB an image at 512×512.',
  stoppable: true,
  async run({ flags, positionals, signal }) {
    const { json, report, classes, scoring, 'image-size': imageSize, 'pass-size': passSize } = flags;
    const placement = placementOf({ ...flags, dtype: undefined, precision: undefined });
    const maxPixels = flags['max-pixels'];
    const given = { classes, scoring, imageSize, passSize, maxPixels, report, ...placement };
    const options = { ...withoutUndefined(given), signal, ...imageProgress('compare') };
    const images = imagesOf(flags, positionals);
    const result = await compare(sideOf(flags, 0), sideOf(flags, 1), images, options);
    const { reportError, ...printed } = result;
    const { failed } = result;
    result.warnings.forEach(warn);
    for (const { error } of failed) complain(error);
    const failures = failed.map(({ image, error }) => ({ image, code: error.code, message: error.message }));
    if (json) printJson({ ...printed, failed: failures });
    else print(comparisonText(result));
    if (result.report !== null) note(`report: ${result.report}`);
    if (reportError) complain(reportError);
    return failed.length > 0 || reportError ? 1 : 0;
  },
});

/** What the flags say of A (0) or B (1). */
function sideOf({ model, head, dtype, precision }: FlagValues<typeof flags>, side: 0 | 1): ComparedNetwork {
  const of = <T>(values: readonly T[]) => values[side] ?? values[0]!;
  const own = { head: head && of(head), dtype: dtype && of(dtype), precision: precision && of(precision) };
  return { model: of(model), ...withoutUndefined(own) };
}

function imagesOf(
  { data, split, ...reading }: FlagValues<typeof flags>,
  positionals: string[],
): string[] | LabelledImages {
  if (data === undefined) {
    if (positionals.length > 0) return positionals;
    throw new UsageError('Missing IMAGE… or --data DIR: the images to compare on.');
  }
  if (positionals.length > 0)
    throw new UsageError(
      `Give images by --data or as arguments, not both; "${positionals[0]}" is an argument.`,
    );
  return { data, split, ...readingOf(reading) };
}
