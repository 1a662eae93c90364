/** Which images of an evaluation a report shows, and all of them by IoU. */
import type { SegmentationDataset } from '../data/dataset.js';
import { spread } from '../data/preview.js';
import { percent } from '../report/html/format.js';
import type { TableSection } from '../report/html/report.js';
import { counted } from '../text.js';
import type { Evaluation } from './evaluation.js';

/** Images that are listed. */
const listed = 100;

/** Places of the images that were measured, the lowest IoU first. */
function byIou(imageIou: readonly (number | null)[]): number[] {
  return imageIou
    .flatMap((iou, place) => (iou === null ? [] : [{ iou, place }]))
    .sort((a, b) => a.iou - b.iou || a.place - b.place)
    .map(({ place }) => place);
}

/** Images that a report shows. */
export interface ShownImages {
  /** In the data set, in its order. */
  places: readonly number[];
  /** Which they are, for people. */
  note: string;
}

/**
 * Chooses images to show: half of them (rounded down) with the lowest IoU, the others spread evenly.
 *
 * @param images in the data set.
 * @param imageIou of each; of another length (results of earlier releases have none): all are spread evenly.
 * @param most how many.
 */
export function shownImages(
  images: number,
  imageIou: readonly (number | null)[] | undefined,
  most: number,
): ShownImages {
  const wanted = Math.min(most, images);
  const measured = imageIou?.length === images ? byIou(imageIou) : [];
  const lowest = measured.slice(0, Math.floor(wanted / 2));
  const others = Array.from({ length: images }, (_, place) => place).filter(
    (place) => !lowest.includes(place),
  );
  const evenly = spread(others.length, wanted - lowest.length).map((i) => others[i]!);
  return {
    places: [...lowest, ...evenly].sort((a, b) => a - b),
    note: noteOf(images, wanted, lowest.length),
  };
}

function noteOf(images: number, shown: number, lowest: number): string {
  if (shown === images) return images === 1 ? 'The only image.' : `All ${counted(images, 'image')}.`;
  const which = `${shown} of ${counted(images, 'image')}`;
  if (lowest === 0) return `${which}, spread evenly.`;
  return `${which}: the ${lowest} with the lowest IoU, the others spread evenly.`;
}

/** The images with the lowest IoU by name; undefined where none was measured. */
export function imagesTable(
  { pairs }: Pick<SegmentationDataset, 'pairs'>,
  { imageIou }: Pick<Evaluation, 'imageIou'>,
): TableSection | undefined {
  if (imageIou.length !== pairs.length) return undefined;
  const measured = byIou(imageIou);
  if (measured.length === 0) return undefined;
  const unlabelled = pairs.length - measured.length;
  const which =
    measured.length > listed
      ? `The ${listed} lowest of ${counted(measured.length, 'image')}.`
      : 'Lowest first.';
  const rest = unlabelled > 0 ? ` ${counted(unlabelled, 'image')} without labelled pixels left out.` : '';
  return {
    kind: 'table',
    title: 'Images by IoU',
    note: `Mean IoU over the classes of each image. ${which}${rest}`,
    columns: ['Image', 'IoU'],
    rows: measured
      .slice(0, listed)
      .map((place) => [pairs[place]!.name, { text: percent(imageIou[place]), value: imageIou[place]! }]),
  };
}
