/** Percentages of classes in whole images, counted in the engine: no per-pixel data enters JavaScript. */
import type { ImageInput } from '../data/decode.js';
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { Scoring } from '../native/bindings/engine.js';
import type { ImageSize } from './image-size.js';
import type { SegmentationHead } from './segmentation-head.js';
import type { SegmentationModel } from './segmentation-model.js';
import { withInputs } from './with-replica.js';

/** Percentages (0…100) of all pixels of one image. */
export interface ImagePercentages {
  /** One percentage for each column. */
  values: number[];
  /**
   * Percentage of the pixels that no column counts, transparent ones included. With `values` it sums to 100 (up to rounding), unless a map
   * counts a class in several columns.
   */
  unassigned: number;
}

/** A head, and the places that its classes count for. @internal */
export interface CountedLayer {
  head: SegmentationHead;
  scoring: Scoring;
  /** 256 values: class → place, or 255 for none. */
  table: Uint8Array;
}

/** How shares are counted. @internal */
export interface ShareCounting {
  /** Input size of the network in pixels, multiples of 32. */
  imageSize: ImageSize;
  /** Number of places that are counted, 1 to 255. */
  places: number;
  /** Whether to count by scores instead of the best class of each pixel. */
  soft: boolean;
}

/**
 * Shares of images, in their order: those of the places and, last, of pixels without a place. It is a call of the
 * model and of the heads. All layers score one pass of the network; a later layer overrides earlier ones.
 *
 * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's
 *   reason.
 */
export async function classShares(
  model: SegmentationModel,
  layers: readonly CountedLayer[],
  images: readonly ImageInput[],
  { imageSize, places, soft }: ShareCounting,
  options: JobOptions,
): Promise<Float64Array[]> {
  const how = { ...imageSize, columns: places, soft };
  const heads = layers.map(({ head }) => head);
  const input = { size: imageSize, signal: options.signal };
  return withInputs({ model, heads }, images, input, async (given, handle, placed) => {
    const handles = layers.map(({ scoring, table }, i) => ({ head: placed[i]!, scoring, table }));
    const shares = await runJob(options, (job) => engine().classShares(handle, handles, given, how, job));
    const length = places + 1;
    return given.map((_, i) => shares.subarray(i * length, (i + 1) * length));
  });
}

/** @param shares of the places and, last, of no place: pixels, or soft shares. `groups`: places of each column. @internal */
export function percentagesOf(
  shares: Float64Array,
  { places, groups }: { places: number; groups: readonly (readonly number[])[] },
): ImagePercentages {
  const total = shares.reduce((sum, share) => sum + share, 0);
  const percent = (indices: readonly number[]) =>
    (100 * indices.reduce((sum, index) => sum + shares[index]!, 0)) / total;
  const counted = new Set(groups.flat());
  const others = Array.from({ length: places + 1 }, (_, index) => index).filter(
    (index) => !counted.has(index),
  );
  return { values: groups.map(percent), unassigned: percent(others) };
}
