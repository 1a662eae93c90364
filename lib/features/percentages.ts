/** Percentages of an image from counts of classes. */
import {
  checkArgument,
  checkOptions,
  kind,
  number,
  objectWith,
  oneOf,
  type OptionKinds,
} from '../arguments.js';
import { labelKinds, type LabelKind } from '../data/class-set.js';
import { mapLabel } from '../data/map-label.js';
import type { LabelImage } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { percentagesOf, type ImagePercentages } from '../model/class-shares.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import { planKind, type PercentagePlan } from './feature-set.js';

export type { ImagePercentages } from '../model/class-shares.js';

const labelImageKind = objectWith<LabelImage>('a label image, as decodeLabel() gives it', {
  data: kind('values', (value) => value instanceof Uint8Array || value instanceof Uint16Array),
  width: number,
  height: number,
});

const labelOptions: OptionKinds<JobOptions & { labelKind?: LabelKind }> = {
  labelKind: oneOf(labelKinds),
  ...jobOptions,
};

/**
 * Computes percentages of a label map, with the same code as for class maps. Pixels without a class are unassigned.
 *
 * @param label as returned by `decodeLabel`.
 * @param options.labelKind kind of label files that its values come from: one of the kinds of the plan's
 *   `labelSet`. Default: that set's first.
 * @throws DinoSegError LABEL_VALUE for values that the set does not define; SHAPE; INVALID_ARGUMENT; the signal's
 *   reason.
 */
export async function percentagesOfLabels(
  label: LabelImage,
  plan: PercentagePlan,
  options: JobOptions & { labelKind?: LabelKind } = {},
): Promise<ImagePercentages> {
  checkArgument(label, labelImageKind, 'percentagesOfLabels(label)');
  checkArgument(plan, planKind, 'percentagesOfLabels(plan)');
  checkOptions(options, labelOptions, 'percentagesOfLabels()');
  const { mappings, name } = plan.labelSet;
  const { labelKind = mappings[0]!.kind } = options;
  const mapping = mappings.find(({ kind }) => kind === labelKind);
  if (mapping === undefined)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The class set ${name} does not support label files of kind ${labelKind}: expected ` +
        `${mappings.map(({ kind }) => kind).join(', ')}.`,
    );
  const { width, height } = label;
  if (label.data.length === 0 || label.data.length !== width * height)
    throw new DinoSegError(
      'SHAPE',
      `Expected height × width values of a label map, got ${label.data.length} for ${height}×${width}.`,
    );
  // The caller may write to its own array meanwhile.
  const { data } = await mapLabel({ ...label, data: label.data.slice() }, mapping, 'The label map', name);
  const raw = { data, width, height, channels: 1 as const };
  return percentagesOf(await runJob(options, (job) => engine().labelShares(raw, plan.places, job)), plan);
}
