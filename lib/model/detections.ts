/** Objects that a detector finds: how they are asked for, and what they are. */
import { kind, number, orNull, type OptionKinds } from '../arguments.js';
import type { ImageInput } from '../data/decode.js';
import { coco91Names } from '../data/sets/coco91.js';
import { DinoSegError } from '../errors.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { FoundArrays } from '../native/bindings/detector.js';
import { imageSize as sizeKind } from './argument-kinds.js';
import { detectorInputSize, type ImageSize } from './image-size.js';
import { checkPassSize } from './pass-size.js';

/** Options of `DetectionModel.detect`. */
export interface DetectOptions extends JobOptions {
  /** Minimum score, 0…1. Default 0.5. */
  threshold?: number;
  /** Maximum number of detections. Default 100. */
  top?: number;
  /**
   * Input size of the network in pixels. A number sets the short side: the aspect ratio is kept up to multiples of
   * 16, and the long side is at most twice the number. A width and a height, multiples of 16 from 80, are used
   * unchanged. Default 1536, which makes windows of 512.
   */
  imageSize?: number | ImageSize;
  /**
   * Images per pass in `DetectionModel.detectBatch`, from 1. Default: 1 on the CPU, else up to 8, depending on the free
   * memory.
   */
  passSize?: number | null;
}

/** One object. Coordinates are in pixels of the image itself, with the origin at its top left corner. */
export interface Detection {
  /** Left edge of the box. */
  x: number;
  /** Top edge of the box. */
  y: number;
  /** Width of the box. */
  width: number;
  /** Height of the box. */
  height: number;
  /** Score, 0…1. */
  score: number;
  /** Column of the class logits: COCO's category id. */
  label: number;
  /** COCO's name of the class; `class 7` if the detector does not have 91 classes. */
  name: string;
}

/** The kinds of {@link DetectOptions}. */
export const detectOptions: OptionKinds<DetectOptions> = {
  threshold: number,
  top: number,
  imageSize: sizeKind,
  passSize: orNull(number),
  ...jobOptions,
};

/** A list of images, of which decoding says what is none. */
export const imagesKind = kind<readonly ImageInput[]>('an array of images', Array.isArray);

/**
 * The options with their defaults.
 *
 * @throws DinoSegError INVALID_ARGUMENT for numbers that are out of range.
 */
export function checkedDetectOptions({
  threshold = 0.5,
  top = 100,
  imageSize = 1536,
  passSize,
  signal,
}: DetectOptions) {
  if (!(threshold >= 0 && threshold <= 1))
    throw new DinoSegError('INVALID_ARGUMENT', `threshold should be from 0 to 1, not ${threshold}.`);
  if (!Number.isInteger(top) || top < 1)
    throw new DinoSegError('INVALID_ARGUMENT', `top should be a whole number from 1, not ${top}.`);
  checkPassSize(passSize);
  return { threshold, top, imageSize, passSize, signal };
}

/** Detections of the engine's arrays, which come best first. `classes`: of the detector, which name them. */
export function detectionsOf(found: FoundArrays, threshold: number, classes: number): Detection[] {
  const detections: Detection[] = [];
  for (const [i, score] of found.scores.entries()) {
    if (!(score >= threshold)) break;
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = found.boxes.subarray(4 * i, 4 * i + 4);
    const label = found.labels[i]!;
    const name = classes === coco91Names.length ? coco91Names[label]! : `class ${label}`;
    detections.push({ x: x0, y: y0, width: x1 - x0, height: y1 - y0, score, label, name });
  }
  return detections;
}

/** Images that a detector sees at one size, by their places in a list. */
export interface SizeGroup {
  size: ImageSize;
  places: number[];
}

/** Images by the size that a detector sees them at. @throws DinoSegError as detectorInputSize */
export function groupsOfSize(images: readonly ImageSize[], imageSize: number | ImageSize): SizeGroup[] {
  const groups = new Map<string, SizeGroup>();
  for (const [place, image] of images.entries()) {
    const size = detectorInputSize(image, imageSize);
    const key = `${size.width}×${size.height}`;
    const group = groups.get(key) ?? { size, places: [] };
    groups.set(key, group);
    group.places.push(place);
  }
  return [...groups.values()];
}

/** A list in parts of a length; the last has what is left. */
export function slices<T>(items: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) =>
    items.slice(i * length, (i + 1) * length),
  );
}
