import { ignoreIndex, namesOfClasses, notDrawn, type NamedColor } from '../class-set.js';

/** The 19 classes of the Cityscapes benchmark, by train id. */
export const cityscapes19Classes: readonly NamedColor[] = [
  ['road', [128, 64, 128]],
  ['sidewalk', [244, 35, 232]],
  ['building', [70, 70, 70]],
  ['wall', [102, 102, 156]],
  ['fence', [190, 153, 153]],
  ['pole', [153, 153, 153]],
  ['traffic light', [250, 170, 30]],
  ['traffic sign', [220, 220, 0]],
  ['vegetation', [107, 142, 35]],
  ['terrain', [152, 251, 152]],
  ['sky', [70, 130, 180]],
  ['person', [220, 20, 60]],
  ['rider', [255, 0, 0]],
  ['car', [0, 0, 142]],
  ['truck', [0, 0, 70]],
  ['bus', [0, 60, 100]],
  ['train', [0, 80, 100]],
  ['motorcycle', [0, 0, 230]],
  ['bicycle', [119, 11, 32]],
];

/** The raw label id of each train id: `labelIds` files hold these. */
export const cityscapes19RawIds: readonly number[] = [
  7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33,
];

/** Raw ids run from 0 to 33; those without a train id, and 255 (licence plate, -1), are ignored. */
export const cityscapesHighestRawId = 33;

/** Labels of Cityscapes' polygons without a train id. */
const ignoredLabels = [
  ...['unlabeled', 'ego vehicle', 'rectification border', 'out of roi', 'static', 'dynamic', 'ground'],
  ...['parking', 'rail track', 'guard rail', 'bridge', 'tunnel', 'polegroup', 'caravan', 'trailer'],
];

/** Labels of Cityscapes' polygons and their train ids. Its own tool does not draw the one with a negative id. */
export const cityscapes19Labels: ReadonlyMap<string, number> = new Map([
  ...namesOfClasses(cityscapes19Classes),
  ...ignoredLabels.map((name) => [name, ignoreIndex] as const),
  ['license plate', notDrawn],
]);
