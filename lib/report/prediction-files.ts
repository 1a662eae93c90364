import { join } from 'node:path';
import { bytes, checkArgument, kind, number, objectWith, text } from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { encodePng } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { replaceFolder } from '../files.js';
import { classStatistics } from './class-statistics.js';
import { checkIndices, colorize, sideBySide } from './colorize.js';
import { encodeIndexedPng } from './indexed-png.js';
import { encodeNpy } from './npy.js';

/** An image and its class map. */
export interface Prediction {
  /** RGB pixels H×W×3, row by row. */
  readonly original: Uint8Array;
  /** Class indices H×W, of the same size. */
  readonly map: Uint8Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** Class set of the map. */
  readonly classSet: ClassSet;
}

const predictionKind = objectWith<Prediction>('a prediction {original, map, width, height, classSet}', {
  original: bytes,
  map: bytes,
  width: number,
  height: number,
  classSet: classSetKind,
});

/** The files in the folder of a prediction. */
const fileNames = {
  original: 'original.png',
  raw: 'segmentation_raw.npy',
  colored: 'segmentation_colored.png',
  comparison: 'comparison.png',
  statistics: 'class_statistics.txt',
} as const satisfies Record<PredictionFile, string>;

/** What may be written of a prediction. */
export type PredictionFile = 'original' | 'raw' | 'colored' | 'comparison' | 'statistics';

/** All of {@link PredictionFile}. */
export const predictionKinds = Object.keys(fileNames) as PredictionFile[];

/** Names of the files in the folder of a prediction. */
export const predictionFiles = Object.values(fileNames);

const filesKind = kind<readonly PredictionFile[]>(
  `a list of ${predictionKinds.join(', ')}, at least one`,
  (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => predictionKinds.includes(each as never)),
);

/** Name of the folder of an image's prediction. */
export function predictionFolder(name: string): string {
  return `${name}_segmentation`;
}

/**
 * Writes the folder `<dir>/<name>_segmentation` with {@link predictionFiles}. The folder appears with all of them
 * or not at all. An earlier folder is replaced.
 *
 * `segmentation_colored.png` has a palette: its values are the indices of classes.
 *
 * @param dir parent folder; created if missing.
 * @param name name of the image without folder and extension.
 * @param files which of the files to write. Default: all five.
 * @returns path of the folder.
 * @throws DinoSegError INVALID_ARGUMENT for a name that is not a file name, SHAPE, LABEL_VALUE, DISK_FULL, IO
 */
export async function writePrediction(
  dir: string,
  name: string,
  prediction: Prediction,
  files: readonly PredictionFile[] = predictionKinds,
): Promise<string> {
  checkArgument(files, filesKind, 'writePrediction(files)');
  checkArgument(dir, text, 'writePrediction(dir)');
  checkArgument(name, text, 'writePrediction(name)');
  checkArgument(prediction, predictionKind, 'writePrediction(prediction)');
  if (!/^[^/\\\0]+$/.test(name))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `"${name}" cannot name a folder: give the image's name without its path.`,
    );
  const { original, map, width, height, classSet } = prediction;
  if (original.length !== 3 * width * height || map.length !== width * height)
    throw new DinoSegError(
      'SHAPE',
      `A prediction of ${height}×${width} pixels needs ${3 * width * height} values of the image and ${width * height} of the ` +
        `class map, not ${original.length} and ${map.length}.`,
    );
  checkIndices(map, classSet);
  const contents: Record<PredictionFile, () => string | Uint8Array | Promise<Buffer>> = {
    original: () => encodePng(original, width, height, 3),
    raw: () => encodeNpy(map, height, width),
    colored: () => encodeIndexedPng(map, width, height, classSet),
    comparison: () => {
      const both = sideBySide([original, colorize(map, classSet)], width, height);
      return encodePng(both, 2 * width, height, 3);
    },
    statistics: () => classStatistics(map, classSet),
  };
  const folder = join(dir, predictionFolder(name));
  await replaceFolder(folder, async (write) => {
    for (const file of predictionKinds)
      if (files.includes(file)) await write(fileNames[file], await contents[file]());
  });
  return folder;
}

export { filesKind as predictionFilesKind };
