import { join } from 'node:path';
import { bytes, checkArgument, number, objectWith, text } from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { encodePng } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { replaceFolder } from '../files.js';
import { classStatistics } from './class-statistics.js';
import { colorize, sideBySide } from './colorize.js';
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

/** Names of the files in the folder of a prediction. */
export const predictionFiles = [
  'original.png',
  'segmentation_raw.npy',
  'segmentation_colored.png',
  'comparison.png',
  'class_statistics.txt',
] as const;

/**
 * Writes the folder `<dir>/<name>_segmentation` with the five {@link predictionFiles}. The folder appears with all of them
 * or not at all. An earlier folder is replaced.
 *
 * @param dir parent folder; created if missing.
 * @param name name of the image without folder and extension.
 * @returns path of the folder.
 * @throws DinoSegError INVALID_ARGUMENT for a name that is not a file name, SHAPE, LABEL_VALUE, DISK_FULL, IO
 */
export async function writePrediction(dir: string, name: string, prediction: Prediction): Promise<string> {
  checkArgument(dir, text, 'writePrediction(dir)');
  checkArgument(name, text, 'writePrediction(name)');
  checkArgument(prediction, predictionKind, 'writePrediction(prediction)');
  if (!/^[^/\\\0]+$/.test(name))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `"${name}" cannot name a folder: give the image's name without its path.`,
    );
  const { original, map, width, height, classSet } = prediction;
  const raw = encodeNpy(map, height, width);
  const colored = colorize(map, classSet);
  const comparison = sideBySide([original, colored], width, height);
  const folder = join(dir, `${name}_segmentation`);
  await replaceFolder(folder, async (write) => {
    await write('original.png', await encodePng(original, width, height, 3));
    await write('segmentation_raw.npy', raw);
    await write('segmentation_colored.png', await encodePng(colored, width, height, 3));
    await write('comparison.png', await encodePng(comparison, 2 * width, height, 3));
    await write('class_statistics.txt', classStatistics(map, classSet));
  });
  return folder;
}
