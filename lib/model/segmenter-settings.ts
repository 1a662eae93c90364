/** Settings of a network with a head, for reports. */
import type { SegmentationHead } from './segmentation-head.js';
import type { SegmentationModel } from './segmentation-model.js';

/** Names and values. `given`: further settings; undefined values are left out. */
export function segmenterRows(
  model: SegmentationModel,
  head: SegmentationHead,
  given: Readonly<Record<string, string | number | undefined>>,
): [name: string, value: string][] {
  const { classSet, epoch, mIoU, modelId } = head.metadata;
  const rows: [string, string | number | undefined][] = [
    ['model', model.path],
    ['model id', model.id],
    ['dtype', model.dtype],
    ['precision', model.precision],
    ['head outputs', head.classes],
    ['head classes', classSet?.name],
    ['head epoch', epoch],
    ['head mIoU of its training', mIoU === undefined ? undefined : mIoU.toFixed(4)],
    ['head trained on this model', modelId === undefined ? undefined : modelId === model.id ? 'yes' : 'no'],
    ...Object.entries(given),
  ];
  return rows.flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
}
