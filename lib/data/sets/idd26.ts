import { ignoreIndex, type NamedColor } from '../class-set.js';

/** The 26 level-3 classes of the India Driving Dataset, by class index. */
export const idd26Classes: readonly NamedColor[] = [
  ['road', [128, 64, 128]],
  ['parking', [250, 170, 160]],
  ['sidewalk', [244, 35, 232]],
  ['rail track', [230, 150, 140]],
  ['person', [220, 20, 60]],
  ['rider', [255, 0, 0]],
  ['motorcycle', [0, 0, 230]],
  ['bicycle', [119, 11, 32]],
  ['autorickshaw', [255, 140, 0]],
  ['car', [0, 0, 142]],
  ['truck', [0, 0, 70]],
  ['bus', [0, 60, 100]],
  ['vehicle fallback', [0, 0, 90]],
  ['curb', [150, 255, 170]],
  ['wall', [102, 102, 156]],
  ['fence', [190, 153, 153]],
  ['guard rail', [180, 165, 180]],
  ['billboard', [174, 64, 67]],
  ['traffic sign', [255, 255, 0]],
  ['traffic light', [255, 0, 255]],
  ['pole', [153, 153, 153]],
  ['obs-str-bar-fallback', [100, 230, 245]],
  ['building', [70, 70, 70]],
  ['bridge', [150, 100, 100]],
  ['vegetation', [107, 142, 35]],
  ['sky', [70, 130, 180]],
];

/** IDD's raw label ids that count, each with its level-3 class; the others are {@link idd26Ignored}. */
export const idd26RawToLevel3: readonly (readonly [raw: number, name: string, level3: number])[] = [
  [0, 'road', 0],
  [1, 'parking', 1],
  [2, 'drivable fallback', 1],
  [3, 'sidewalk', 2],
  [4, 'rail track', 3],
  [5, 'non-drivable fallback', 3],
  [6, 'person', 4],
  [7, 'animal', 4],
  [8, 'rider', 5],
  [9, 'motorcycle', 6],
  [10, 'bicycle', 7],
  [11, 'autorickshaw', 8],
  [12, 'car', 9],
  [13, 'truck', 10],
  [14, 'bus', 11],
  [15, 'caravan', 12],
  [16, 'trailer', 12],
  [17, 'train', 12],
  [18, 'vehicle fallback', 12],
  [19, 'curb', 13],
  [20, 'wall', 14],
  [21, 'fence', 15],
  [22, 'guard rail', 16],
  [23, 'billboard', 17],
  [24, 'traffic sign', 18],
  [25, 'traffic light', 19],
  [26, 'pole', 20],
  [27, 'polegroup', 20],
  [28, 'obs-str-bar-fallback', 21],
  [29, 'building', 22],
  [30, 'bridge', 23],
  [31, 'tunnel', 23],
  [32, 'vegetation', 24],
  [33, 'sky', 25],
  [34, 'fallback background', 25],
];

/** IDD's raw label ids without a class: drawn over what lies below them, and then ignored. */
export const idd26Ignored: readonly (readonly [raw: number, name: string])[] = [
  [35, 'unlabeled'],
  [36, 'ego vehicle'],
  [37, 'rectification border'],
  [38, 'out of roi'],
  [39, 'license plate'],
];

/** Raw values without a class: those of {@link idd26Ignored}, and 255. */
export const idd26RawIgnored: readonly number[] = [...idd26Ignored.map(([raw]) => raw), 255];

/** Labels of IDD's polygons and their level-3 classes, 255 for those without one. */
export const idd26Labels: ReadonlyMap<string, number> = new Map([
  ...idd26RawToLevel3.map(([, name, level3]) => [name, level3] as const),
  ...idd26Ignored.map(([, name]) => [name, ignoreIndex] as const),
]);
