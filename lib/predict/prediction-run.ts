/** The passes of a prediction: images are read, segmented and written, several at a time within a budget of pixels. */
import { ignoreIndex } from '../data/class-set.js';
import { decodeImage, readImageSize, type RgbImage } from '../data/decode.js';
import { inOrder } from '../data/in-order.js';
import { markOwn } from '../data/own-pixels.js';
import { prefetch } from '../data/prefetch.js';
import { DinoSegError, type ErrorCode } from '../errors.js';
import { passesPerDevice } from '../model/in-order-over.js';
import type { ViewReader } from '../model/panorama.js';
import type { BatchRunner } from '../model/pass-size.js';
import type { SegmentImageOptions } from '../model/scoring-options.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import type { ClassMap } from '../model/segment-options.js';
import { usableCores } from '../native/cores.js';
import { shownPath } from '../system-path.js';
import { Budget } from '../data/budget.js';
import { stampOfImage } from './prediction-record.js';

/** A picture to predict: an image, or a view of a panorama. */
export interface PredictedPicture {
  /** Path of the image. */
  path: string;
  /** Number of the view; undefined for the image itself. */
  view: number | undefined;
  /** Name of its folder. */
  folder: string;
}

/** What became of a picture. */
export type Outcome =
  | { picture: PredictedPicture; error: DinoSegError }
  | { picture: PredictedPicture; image: RgbImage; map: Uint8Array; stamp: string | null };

/** Writes a prediction. @throws DinoSegError */
export type WritePicture = (picture: PredictedPicture, image: RgbImage, map: Uint8Array) => Promise<void>;

/** How pictures are predicted. */
export interface PredictionRunOptions {
  model: SegmentationModel;
  scored: SegmentImageOptions;
  /** Pictures per pass. */
  runner: BatchRunner;
  /** Most pictures that go through a pass together. */
  together: number;
  /** Of an image. */
  maxPixels: number;
  views: ViewReader | undefined;
  write: WritePicture;
  signal: AbortSignal | undefined;
}

/**
 * Pixels of all pictures that are read, segmented or written at a time. A pixel needs up to 14 bytes while its files are made.
 */
const pixelsInFlight = 64e6;
/** Tasks beside those that devices work on: they read and write. */
const besideDevices = 4;

/** Faults of one picture: the others go on. */
const ofPicture: readonly ErrorCode[] = ['IMAGE', 'SHAPE', 'FILE_NOT_FOUND', 'IO'];

function isOfPicture(error: unknown): error is DinoSegError {
  return error instanceof DinoSegError && ofPicture.includes(error.code);
}

/** Pictures that go through the network together. */
interface Group {
  pictures: PredictedPicture[];
  pixels: number;
}

interface Read {
  picture: PredictedPicture;
  image: RgbImage;
  stamp: string | null;
}

/**
 * Predicts pictures, and gives their outcomes in order. A picture that cannot be read, segmented or written is an outcome; all other
 * errors end the run.
 *
 * @throws DinoSegError MODEL_VALUES, OUT_OF_MEMORY, DISK_FULL and others; the signal's reason
 */
export async function* predictPictures(
  pictures: readonly PredictedPicture[],
  options: PredictionRunOptions,
): AsyncGenerator<Outcome, void, void> {
  const { model, signal } = options;
  const budget = new Budget(pixelsInFlight);
  const stop = () => budget.close();
  signal?.addEventListener('abort', stop);
  /** Begun segmentation of the latest group: passes begin in the order of the pictures. */
  let begun: Promise<void> = Promise.resolve();
  const run = async (group: Group, either: AbortSignal) => {
    const before = begun;
    let begin = () => {};
    begun = new Promise((resolve) => (begin = resolve));
    const turn = () => before.then(begin);
    try {
      return { group, outcomes: await predictGroup(group, { ...options, turn }, either) };
    } catch (error) {
      budget.close();
      throw error;
    } finally {
      begin();
    }
  };
  const concurrency = passesPerDevice * model.devices.length + Math.min(besideDevices, usableCores());
  const results = inOrder(groupsWithin(pictures, options, budget), run, { concurrency, signal });
  try {
    for (;;) {
      const next = await results.next();
      if (next.done) return;
      const { group, outcomes } = next.value;
      yield* outcomes;
      budget.give(group.pixels);
    }
  } finally {
    budget.close();
    signal?.removeEventListener('abort', stop);
    await results.return();
  }
}

/** Groups in order, each when there is room for its pixels. */
async function* groupsWithin(
  pictures: readonly PredictedPicture[],
  { together, views, signal }: PredictionRunOptions,
  budget: Budget,
): AsyncGenerator<Group, void, void> {
  const sizeOf = async (picture: PredictedPicture) => {
    // A file that cannot be read says so when it is decoded.
    const size = views ? undefined : await readImageSize(picture.path).catch(() => undefined);
    return { picture, pixels: size ? size.width * size.height : 1 << 20 };
  };
  let group: Group = { pictures: [], pixels: 0 };
  const ahead = { ahead: Math.max(8, 2 * together), concurrency: 4, signal };
  for await (const { picture, pixels } of prefetch(pictures, sizeOf, ahead)) {
    const isFull = group.pictures.length === together || group.pixels + pixels > pixelsInFlight;
    if (isFull && group.pictures.length > 0) {
      await budget.take(group.pixels);
      yield group;
      group = { pictures: [], pixels: 0 };
    }
    group.pictures.push(picture);
    group.pixels += pixels;
  }
  if (group.pictures.length === 0) return;
  await budget.take(group.pixels);
  yield group;
}

async function predictGroup(
  { pictures }: Group,
  options: PredictionRunOptions & { turn: () => Promise<void> },
  signal: AbortSignal,
): Promise<Outcome[]> {
  const how = { ...options, signal };
  const read = await Promise.all(pictures.map((picture) => readPicture(picture, how)));
  await options.turn();
  const maps = await mapsOf(read, options, signal);
  const made = read.map((one): Outcome => {
    if ('error' in one) return one;
    const map = maps.get(one.picture)!;
    return map instanceof DinoSegError
      ? { picture: one.picture, error: map }
      : { ...one, map: seenMap(map, one.image) };
  });
  return await Promise.all(made.map((one) => written(one, options)));
}

async function readPicture(
  picture: PredictedPicture,
  { views, maxPixels, signal }: Pick<PredictionRunOptions, 'views' | 'maxPixels' | 'signal'>,
): Promise<Read | { picture: PredictedPicture; error: DinoSegError }> {
  const { path, view } = picture;
  const stamp = await stampOfImage(path);
  try {
    const image =
      view === undefined ? await decodeImage(path, { maxPixels, signal }) : await views!.one(path, view);
    return { picture, image: markOwn({ ...image, name: shownPath(path) }), stamp };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof DinoSegError)) throw error;
    return { picture, error };
  }
}

/** The class map of an image, 255 where it is transparent. */
function seenMap({ data }: ClassMap, { transparent }: RgbImage): Uint8Array {
  if (transparent) for (let i = 0; i < data.length; i++) if (transparent[i]) data[i] = ignoreIndex;
  return data;
}

/** Class maps of what was read. If a picture of a pass is refused, each is segmented by itself. */
async function mapsOf(
  read: Awaited<ReturnType<typeof readPicture>>[],
  { model, runner, scored }: PredictionRunOptions,
  signal: AbortSignal,
): Promise<Map<PredictedPicture, ClassMap | DinoSegError>> {
  const maps = new Map<PredictedPicture, ClassMap | DinoSegError>();
  const readable = read.filter((one) => 'image' in one);
  const segment = async (some: readonly Read[], passSize: number) => {
    const images = some.map(({ image }) => image);
    const made = await model.segmentBatch(images, { ...scored, passSize, signal });
    for (const [i, { picture }] of some.entries()) maps.set(picture, made[i]!);
  };
  for (let first = 0; first < readable.length;) {
    let pass: readonly Read[] = [];
    try {
      await runner.run((passSize) => segment((pass = readable.slice(first, first + passSize)), passSize));
    } catch (error) {
      if (!isOfPicture(error)) throw error;
      for (const one of pass)
        try {
          await runner.run((passSize) => segment([one], passSize));
        } catch (own) {
          if (!isOfPicture(own)) throw own;
          maps.set(one.picture, own);
        }
    }
    first += pass.length;
  }
  return maps;
}

async function written(one: Outcome, { write, signal }: PredictionRunOptions): Promise<Outcome> {
  if ('error' in one) return one;
  signal?.throwIfAborted();
  try {
    await write(one.picture, one.image, one.map);
    return one;
  } catch (error) {
    if (!isOfPicture(error)) throw error;
    return { picture: one.picture, error };
  }
}
