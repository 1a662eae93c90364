/** Segmented pictures of many images. */
import { join } from 'node:path';
import {
  callback,
  checkArgument,
  checkOptions,
  flag,
  needed,
  number,
  optionsFor,
  paths as pathsKind,
  signal,
  text,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { checkedMaxPixels } from '../data/budget.js';
import type { DinoSegError } from '../errors.js';
import { leftOutText, type LeftOut } from '../images/left-out.js';
import { listImages } from '../images/list-images.js';
import { asSize, imageSizeOf } from '../model/image-size.js';
import {
  panoramaKind,
  panoramaViewsOf,
  viewName,
  ViewReader,
  type PanoramaOptions,
  type PanoramaViews,
  type ViewDirection,
} from '../model/panorama.js';
import { BatchRunner } from '../model/pass-size.js';
import { scoringOf } from '../model/scoring.js';
import { segmentImageOptions, type SegmentImageOptions } from '../model/scoring-options.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import { modelKind, type SegmentationModel } from '../model/segmentation-model.js';
import type { ReportOutcome } from '../report/html/attempt.js';
import {
  predictionFilesKind,
  predictionFolder,
  predictionKinds,
  writePrediction,
  type PredictionFile,
} from '../report/prediction-files.js';
import { shownPath } from '../system-path.js';
import { outputNames } from './output-names.js';
import { PredictionReport } from './predict-report.js';
import { PredictionRecord, type PredictionSettings } from './prediction-record.js';
import { predictPictures, type PredictedPicture, type WritePicture } from './prediction-run.js';

/** Options of {@link predict}. `onProgress` counts images, not windows. */
export interface PredictOptions extends Omit<SegmentImageOptions, 'onProgress' | 'passSize'> {
  /** Names and colours of the head's outputs. */
  classSet: ClassSet;
  /**
   * Folder for the results: `<image name>_segmentation/` with five files for each image, and `predictions.jsonl`, which says what
   * they were made with.
   */
  output: string;
  /** Which of the five files to write: `original`, `raw`, `colored`, `comparison`, `statistics`. Default: all. */
  files?: readonly PredictionFile[];
  /**
   * Whether to leave out images that have these files already, made with the same settings of the same file. Other settings are an
   * error. Default false: all images are predicted.
   */
  skipExisting?: boolean;
  /** All images are equirectangular panoramas: each of their perspective views is predicted, in a folder of its own. */
  panorama?: PanoramaOptions;
  /** Maximum number of pixels of an image; larger ones fail before they are decoded. Default 268,402,689 (0x3FFF²). */
  maxPixels?: number;
  /**
   * Images, or windows of an image, per forward pass; class maps differ by rounding. Default: 1 on the CPU; up to 8 on a GPU,
   * depending on free memory, and halved if memory runs out.
   */
  passSize?: number;
  /**
   * Path of an HTML report with some of the images; its folder is created if missing. A report of other images stays: this one is
   * then `report-2.html`, and so on. Default: no report.
   */
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
  files: predictionFilesKind,
  skipExisting: flag,
  panorama: panoramaKind,
  maxPixels: number,
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
  /** Of a view of a panorama: where it looks. */
  view?: ViewDirection;
}

/** One image without a prediction. */
export interface FailedPrediction {
  /** Path of the image. */
  image: string;
  /** The error: FILE_NOT_FOUND, IMAGE, SHAPE or IO. */
  error: DinoSegError;
}

/** Result of {@link predict}; `report` is null if none was requested. */
export interface PredictResult extends ReportOutcome {
  /** Written predictions, in the order of the images. */
  written: WrittenPrediction[];
  /** Images that could not be read, or whose files could not be written; the others are written nevertheless. */
  failed: FailedPrediction[];
  /** Number of predictions that were there already. */
  skipped: number;
  /** What lies in the given folders and matches the globs beside the images. */
  leftOut: LeftOut;
}

/**
 * Segments images and writes up to five files for each (see README.md). Transparent pixels have no class (255). The next images are
 * decoded during each forward pass. Images that are in memory at a time have at most 64 million pixels together, or are one alone.
 *
 * @param inputs images, folders and globs, as in {@link imagesOfPaths}.
 * @throws DinoSegError INVALID_ARGUMENT, HEAD_MISMATCH, MODEL_VALUES, SHAPE, DISK_FULL, IO, OUT_OF_MEMORY; the signal's reason.
 *   A fault of a single image (FILE_NOT_FOUND, IMAGE, SHAPE, IO) is listed in the result instead.
 */
export async function predict(
  model: SegmentationModel,
  inputs: readonly string[],
  options: PredictOptions,
): Promise<PredictResult> {
  checkArgument(model, modelKind, 'predict(model)');
  checkArgument(inputs, pathsKind, 'predict(inputs)');
  checkOptions(options, predictOptions, 'predict()');
  const { classSet, output, signal, onProgress, mode, stride, files = predictionKinds } = options;
  const head = options.head ?? model.ownHead();
  const scoring = scoringOf(head, classSet, options.scoring);
  const panorama = options.panorama && panoramaViewsOf(options.panorama);
  const maxPixels = checkedMaxPixels(options.maxPixels);
  const { paths, leftOut } = await listImages(inputs);
  const beside = leftOutText(leftOut);
  if (beside !== undefined) options.onLog?.(`left out: ${beside}`);
  const imageSize = imageSizeOf(options.imageSize, [head]);
  const made = { classSet, scoring, imageSize: asSize(imageSize), mode: mode ?? 'whole', stride, panorama };
  const record = await PredictionRecord.open(output, await settingsOf(model, head, made));
  const pictures = picturesOf(paths, panorama, record);
  const todo = options.skipExisting ? await missingOf(pictures, record, files) : pictures;
  const runner = BatchRunner.of(model, asSize(imageSize), options);
  const { onProgress: _, signal: __, ...how } = optionsFor(segmentImageOptions, options);
  const write: WritePicture = async ({ folder }, { data: original, width, height }, map) => {
    await writePrediction(output, folder, { original, map, width, height, classSet }, files);
  };
  const skipped = pictures.length - todo.length;
  const result: PredictResult = { written: [], failed: [], skipped, leftOut, report: null };
  const wantsReport = options.report !== undefined && (todo.length > 0 || skipped === 0);
  const report = wantsReport ? new PredictionReport(classSet, todo.length) : undefined;
  const run = predictPictures(todo, {
    ...{ model, runner, write, signal },
    scored: { ...how, head, scoring, imageSize },
    // Windows of one image fill passes by themselves.
    together: mode === 'slide' ? 1 : runner.size,
    maxPixels,
    views: panorama && new ViewReader(panorama, model.device, maxPixels),
  });
  let done = skipped;
  for await (const one of run) {
    const { path, folder, view } = one.picture;
    if ('error' in one) result.failed.push({ image: path, error: one.error });
    else {
      await record.add(predictionFolder(folder), path, one.stamp, files);
      const place = view === undefined ? {} : { view: panorama!.directions[view]! };
      result.written.push({ image: path, folder: join(output, predictionFolder(folder)), ...place });
      for (const note of one.image.notes ?? []) options.onLog?.(`${shownPath(path)}: ${note}`);
      await report?.add(done - skipped, folder, one.image, one.map);
    }
    done++;
    onProgress?.(done, pictures.length);
  }
  if (!report) return result;
  const images = todo.map(({ path }) => path);
  const settings = {
    classes: classSet.name,
    'image size': typeof imageSize === 'number' ? imageSize : `${imageSize.width}×${imageSize.height}`,
    scoring,
    window: made.mode,
    stride: stride === undefined ? undefined : JSON.stringify(stride),
    panorama: panorama && JSON.stringify(panorama),
    'left out': beside,
  };
  const path = record.reportPath(options.report!, images);
  const outcome = await report.write(path, model, head, settings, result.failed);
  if (outcome.report !== null) await record.addReport(path, images);
  return { ...result, ...outcome };
}

interface Made {
  classSet: ClassSet;
  panorama: PanoramaViews | undefined;
}

/** What determines class maps, besides images. */
async function settingsOf(
  model: SegmentationModel,
  head: SegmentationHead,
  { classSet, panorama, ...others }: Made & Record<string, unknown>,
): Promise<PredictionSettings> {
  const { id, dtype, precision } = model;
  const classes = classSet.classes.map(({ name, color }) => [name, ...color]);
  return JSON.parse(
    JSON.stringify({
      model: { id, dtype, precision },
      head: await head.digest(),
      classes,
      ...others,
      panorama,
    }),
  ) as PredictionSettings;
}

/** The pictures of images, each with a folder that is not another image's. */
function picturesOf(
  paths: readonly string[],
  panorama: PanoramaViews | undefined,
  record: PredictionRecord,
): PredictedPicture[] {
  const suffix = predictionFolder('');
  const nameOf = (folder: string) => folder.slice(0, folder.length - suffix.length);
  // Views are told apart by what follows the image's name.
  const others = panorama ? [] : record.foldersOfOthers(paths).map((folder) => nameOf(folder).toLowerCase());
  const own = (path: string) => {
    const folder = panorama ? undefined : record.folderOf(path);
    return folder === undefined ? undefined : nameOf(folder);
  };
  const names = outputNames(paths, { of: own, taken: new Set(others) });
  return paths.flatMap((path, i): PredictedPicture[] => {
    if (!panorama) return [{ path, view: undefined, folder: names[i]! }];
    return panorama.directions.map((_, view) => ({
      ...{ path, view },
      folder: `${names[i]!}_${viewName(panorama, view)}`,
    }));
  });
}

async function missingOf(
  pictures: readonly PredictedPicture[],
  record: PredictionRecord,
  files: readonly PredictionFile[],
): Promise<PredictedPicture[]> {
  const missing: PredictedPicture[] = [];
  for (const picture of pictures)
    if (!(await record.has(picture.path, predictionFolder(picture.folder), files))) missing.push(picture);
  return missing;
}
