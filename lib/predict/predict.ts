/** Segmented pictures of many images. */
import {
  callback,
  checkArgument,
  checkOptions,
  needed,
  optionsFor,
  paths as pathsKind,
  signal,
  text,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import { ignoreIndex, type ClassSet } from '../data/class-set.js';
import { decodeImage, type RgbImage } from '../data/decode.js';
import { inOrder } from '../data/in-order.js';
import { gathered, prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { asSize, imageSizeOf } from '../model/image-size.js';
import { passesPerDevice } from '../model/in-order-over.js';
import { BatchRunner } from '../model/pass-size.js';
import { scoringOf } from '../model/scoring.js';
import { segmentImageOptions, type SegmentImageOptions } from '../model/scoring-options.js';
import { modelKind, type SegmentationModel } from '../model/segmentation-model.js';
import type { ClassMap } from '../model/segment-options.js';
import { usableCores } from '../native/cores.js';
import type { ReportOutcome } from '../report/html/attempt.js';
import { writePrediction } from '../report/prediction-files.js';
import { PredictionReport } from './predict-report.js';
import { leftOutText, type LeftOut } from '../images/left-out.js';
import { listImages } from '../images/list-images.js';
import { shownPath } from '../system-path.js';
import { outputNames } from './output-names.js';

/** Options of {@link predict}. `onProgress` counts images, not windows. */
export interface PredictOptions extends Omit<SegmentImageOptions, 'onProgress' | 'passSize'> {
  /** Names and colours of the head's outputs. */
  classSet: ClassSet;
  /** Folder for the results: `<image name>_segmentation/` with five files for each image. */
  output: string;
  /**
   * Images, or windows of an image, per forward pass; class maps differ by rounding. Default: 1 on the CPU; up to 8 on a GPU,
   * depending on free memory, and halved if memory runs out.
   */
  passSize?: number;
  /** Path of an HTML report with some of the images; its folder is created if missing. Default: no report. */
  report?: string;
  /** Stops; folders already written are kept. */
  signal?: AbortSignal;
  /** Called after each image with the number of completed images and the total. */
  onProgress?: (done: number, total: number) => void;
  /** Called with log lines, e.g. when passes become smaller. */
  onLog?: (line: string) => void;
}

const predictOptions: OptionKinds<PredictOptions> = {
  ...segmentImageOptions,
  classSet: needed(classSetKind),
  output: needed(text),
  report: text,
  signal,
  onProgress: callback(),
  onLog: callback(),
};

/** One written prediction. */
export interface WrittenPrediction {
  /** Path of the image. */
  image: string;
  /** Folder with its files. */
  folder: string;
}

/** One image that could not be read. */
export interface FailedPrediction {
  /** Path of the image. */
  image: string;
  /** The error: FILE_NOT_FOUND, IMAGE or IO. */
  error: DinoSegError;
}

/** Result of {@link predict}; `report` is null if none was requested. */
export interface PredictResult extends ReportOutcome {
  /** Written predictions, in the order of the images. */
  written: WrittenPrediction[];
  /** Images that could not be found or decoded; the others are written nevertheless. */
  failed: FailedPrediction[];
  /** What lies in the given folders and matches the globs beside the images. */
  leftOut: LeftOut;
}

/**
 * Segments images and writes five files for each (see README.md). Transparent pixels have no class (255). The next images are decoded during each forward pass.
 *
 * @param inputs images, folders and globs, as in {@link imagesOfPaths}.
 * @throws DinoSegError INVALID_ARGUMENT, HEAD_MISMATCH, SHAPE, DISK_FULL, IO, OUT_OF_MEMORY; the signal's reason. Images
 *   that cannot be read are listed in the result instead.
 */
export async function predict(
  model: SegmentationModel,
  inputs: readonly string[],
  options: PredictOptions,
): Promise<PredictResult> {
  checkArgument(model, modelKind, 'predict(model)');
  checkArgument(inputs, pathsKind, 'predict(inputs)');
  checkOptions(options, predictOptions, 'predict()');
  const { classSet, output, signal, onProgress, mode } = options;
  const head = options.head ?? model.ownHead();
  const scoring = scoringOf(head, classSet, options.scoring);
  const { paths, leftOut } = await listImages(inputs);
  const beside = leftOutText(leftOut);
  if (beside !== undefined) options.onLog?.(`left out: ${beside}`);
  const names = outputNames(paths.map(shownPath));
  const result: PredictResult = { written: [], failed: [], leftOut, report: null };
  const report = options.report === undefined ? undefined : new PredictionReport(classSet, paths.length);
  const imageSize = imageSizeOf(options.imageSize, [head]);
  const runner = BatchRunner.of(model, asSize(imageSize), options);
  // Windows of one image fill passes by themselves.
  const together = mode === 'slide' ? 1 : runner.size;
  const threads = Math.min(4, usableCores());
  const { onProgress: _, signal: __, ...how } = optionsFor(segmentImageOptions, options);
  const scored = { ...how, head, scoring, imageSize };

  const segment = async (group: readonly Decoded[], either: AbortSignal): Promise<Segmented[]> => {
    const images = group.flatMap((one) => ('image' in one ? [one.image] : []));
    const maps = (await mapsOf(model, images, runner, { ...scored, signal: either })).values();
    return group.map((one) =>
      'image' in one ? { ...one, map: seenMap(maps.next().value!, one.image) } : one,
    );
  };
  const write = async (one: Segmented): Promise<Written> => {
    signal?.throwIfAborted();
    if (!('image' in one)) return one;
    const { place, image, map } = one;
    const prediction = { original: image.data, map, ...sizeOf(image), classSet };
    return { ...one, folder: await writePrediction(output, names[place]!, prediction) };
  };

  const devices = model.devices.length;
  const ahead = { ahead: Math.max(4, together * (devices + 1)), concurrency: threads, signal };
  const decoded = prefetch(paths.entries(), decodeOrError, ahead);
  const passes = { concurrency: passesPerDevice * devices, signal };
  const maps = flat(inOrder(gathered(decoded, together), segment, passes));
  for await (const one of inOrder(maps, write, { concurrency: threads, signal })) {
    const { place } = one;
    const image = paths[place]!;
    if ('error' in one) result.failed.push({ image, error: one.error });
    else {
      result.written.push({ image, folder: one.folder });
      for (const note of one.image.notes ?? []) options.onLog?.(`${shownPath(image)}: ${note}`);
      await report?.add(place, names[place]!, one.image, one.map);
    }
    onProgress?.(place + 1, paths.length);
  }
  if (!report) return result;
  const { stride } = options;
  const settings = {
    classes: classSet.name,
    'image size': typeof imageSize === 'number' ? imageSize : `${imageSize.width}×${imageSize.height}`,
    scoring,
    window: mode ?? 'whole',
    stride: stride === undefined ? undefined : JSON.stringify(stride),
    'left out': beside,
  };
  return { ...result, ...(await report.write(options.report!, model, head, settings, result.failed)) };
}

/** Class maps of images, in passes of at most the size that memory allows. */
async function mapsOf(
  model: SegmentationModel,
  images: RgbImage[],
  runner: BatchRunner,
  options: SegmentImageOptions,
): Promise<ClassMap[]> {
  const maps: ClassMap[] = [];
  while (maps.length < images.length) {
    const { length: first } = maps;
    const pass = (passSize: number) =>
      model.segmentBatch(images.slice(first, first + passSize), { ...options, passSize });
    maps.push(...(await runner.run(pass)));
  }
  return maps;
}

/** The class map of an image, 255 where it is transparent. */
function seenMap({ data }: ClassMap, { transparent }: RgbImage): Uint8Array {
  if (transparent) for (let i = 0; i < data.length; i++) if (transparent[i]) data[i] = ignoreIndex;
  return data;
}

/** An image by its place in the list, or why there is none. */
type Unread = { place: number; error: DinoSegError };
type Decoded = Unread | { place: number; image: RgbImage };
type Segmented = Unread | { place: number; image: RgbImage; map: Uint8Array };
type Written = Unread | { place: number; image: RgbImage; map: Uint8Array; folder: string };

async function* flat<T>(groups: AsyncIterable<readonly T[]>): AsyncGenerator<T, void, void> {
  for await (const group of groups) yield* group;
}

async function decodeOrError([place, path]: [number, string]): Promise<Decoded> {
  try {
    return { place, image: await decodeImage(path) };
  } catch (error) {
    if (!(error instanceof DinoSegError)) throw error;
    return { place, error };
  }
}

function sizeOf({ width, height }: RgbImage): { width: number; height: number } {
  return { width, height };
}
