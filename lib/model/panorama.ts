/** Perspective views of equirectangular panoramas: what networks know is pictures of lenses, not of whole spheres. */
import { checkArgument, checkOptions, kind, number, oneOf, text, type OptionKinds } from '../arguments.js';
import { type RgbImage } from '../data/decode.js';
import { decodeReduced, type ReducedImage } from '../data/decode-reduced.js';
import { rgbImageKind } from '../data/argument-kinds.js';
import { DinoSegError } from '../errors.js';
import { isObject } from '../json.js';
import { engine } from '../native/engine.js';
import { resolveDevice } from './device.js';

/** What the rows of a table are: a view each, or the views of a panorama together. */
export const panoramaRows = ['view', 'mean'] as const satisfies readonly PanoramaRows[];
/** What the rows of a table of panoramas are: a view each, or the views of a panorama together. */
export type PanoramaRows = 'view' | 'mean';

/** Views of a panorama, spread evenly around it. */
export interface PanoramaOptions {
  /** Number of views. Default 4. */
  views?: number;
  /** Degrees that a view shows, from edge to edge of its width and height. Default 90. */
  degrees?: number;
  /** Where the first view looks, in degrees to the right of the panorama's middle. Default 0. */
  yaw?: number;
  /** Where all views look, in degrees above the horizon, −90 to 90. Default 0. */
  pitch?: number;
  /** Width and height of a view in pixels. Default: a quarter of the panorama's width, at most 1024. */
  size?: number;
}

/** The kinds of {@link PanoramaOptions}. */
export const panoramaOptions: OptionKinds<PanoramaOptions> = {
  views: number,
  degrees: number,
  yaw: number,
  pitch: number,
  size: number,
};

export const panoramaKind = kind<PanoramaOptions>('options of a panorama', (value) => isObject(value));

export const panoramaRowsKind = oneOf(panoramaRows);

/** Where a view looks, in degrees. */
export interface ViewDirection {
  /** To the right of the panorama's middle, −180 to 180. */
  readonly yaw: number;
  /** Above the horizon. */
  readonly pitch: number;
}

/** {@link PanoramaOptions} with defaults. `size`: undefined where it depends on the panorama. */
export interface PanoramaViews {
  readonly degrees: number;
  readonly size: number | undefined;
  readonly directions: readonly ViewDirection[];
}

const largestDefault = 1024;

/** @throws DinoSegError INVALID_ARGUMENT */
export function panoramaViewsOf(options: PanoramaOptions): PanoramaViews {
  checkOptions(options, panoramaOptions, 'panorama');
  const { views = 4, degrees = 90, yaw = 0, pitch = 0, size } = options;
  const whole = (value: number) => Number.isInteger(value) && value >= 1;
  const wrong = (name: string, expected: string, value: number) =>
    new DinoSegError('INVALID_ARGUMENT', `A panorama's ${name} should be ${expected}, not ${value}.`);
  if (!whole(views)) throw wrong('number of views', 'a whole number from 1', views);
  if (!(degrees > 0 && degrees < 180))
    throw wrong('degrees of a view', 'more than 0 and less than 180', degrees);
  if (!Number.isFinite(yaw)) throw wrong('yaw', 'a number of degrees', yaw);
  if (!(Math.abs(pitch) <= 90)) throw wrong('pitch', 'from -90 to 90 degrees', pitch);
  if (size !== undefined && !whole(size)) throw wrong('size of a view', 'a whole number of pixels', size);
  // From −180 to 180, as people write it.
  const around = (angle: number) => ((((angle + 180) % 360) + 360) % 360) - 180;
  const directions = Array.from({ length: views }, (_, i) => ({
    yaw: around(yaw + (i * 360) / views),
    pitch,
  }));
  return { degrees, size, directions };
}

/** Of a view, for names and ids: `yaw-90_pitch0`. */
export function viewName({ directions }: PanoramaViews, view: number): string {
  const { yaw, pitch } = directions[view]!;
  const short = (angle: number) => String(Number(angle.toFixed(2)));
  return `yaw${short(yaw)}_pitch${short(pitch)}`;
}

/**
 * Makes perspective views of a panorama, which shows 360° across its width and 180° down its height. Its middle is ahead. Samples are
 * bilinear, and the mean of several where the view has fewer pixels.
 *
 * @param options.device default: the best one.
 * @returns pictures of `size`×`size` pixels.
 * @throws DinoSegError INVALID_ARGUMENT, DEVICE; IMAGE for an image that is not twice as wide as high.
 */
export async function panoramaViews(
  panorama: RgbImage,
  options: PanoramaOptions & { device?: string } = {},
): Promise<RgbImage[]> {
  checkArgument(panorama, rgbImageKind, 'panoramaViews(panorama)');
  checkOptions(options, { ...panoramaOptions, device: text }, 'panoramaViews()');
  const { device, ...views } = options;
  return viewsOn(panorama, panoramaViewsOf(views), {
    device: resolveDevice(device),
    full: panorama,
    name: 'The image',
  });
}

/** How a panorama was read. */
interface ReadPanorama {
  device: string;
  /** Size of the panorama itself. */
  full: { width: number; height: number };
  name: string;
}

async function viewsOn(
  panorama: RgbImage,
  { degrees, size, directions }: PanoramaViews,
  { device, full, name }: ReadPanorama,
): Promise<RgbImage[]> {
  checkShape(full, name);
  const side = size ?? defaultSize(full.width);
  const shape = { width: side, height: side };
  const all = await engine().perspectiveViews(panorama, { views: directions, degrees, ...shape, device });
  const bytes = 3 * side * side;
  return directions.map((_, i) => ({ data: all.subarray(i * bytes, (i + 1) * bytes), ...shape }));
}

function defaultSize(width: number): number {
  return Math.max(1, Math.min(largestDefault, Math.round(width / 4)));
}

/** Share of the height that panoramas of 360°×180° may differ by: some are a few rows short. */
const tolerance = 0.01;

function checkShape({ width, height }: { width: number; height: number }, name: string): void {
  if (Math.abs(width - 2 * height) <= 2 * tolerance * height) return;
  throw new DinoSegError(
    'IMAGE',
    `${name} is ${width}×${height} (width × height). An equirectangular panorama of 360° × 180° is twice as wide as high: leave out ` +
      '--panorama for other images.',
  );
}

/** Reads the views of panoramas from files, each view on its own. */
export class ViewReader {
  /** Views that were made and not taken yet, by path. */
  readonly #made = new Map<string, Promise<RgbImage[]>>();

  constructor(
    readonly views: PanoramaViews,
    private readonly device: string,
    private readonly maxPixels?: number,
  ) {}

  /** A panorama with as many pixels as its views can show. @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO */
  async panorama(path: string): Promise<ReducedImage> {
    const { degrees, size = largestDefault } = this.views;
    // A view's corners show twice the pixels a degree that its middle does. More than that none can show.
    const focal = size / 2 / Math.tan((degrees * Math.PI) / 360);
    const width = Math.ceil(2 * 2 * Math.PI * focal);
    const panorama = await decodeReduced(path, (width * width) / 2, { maxPixels: this.maxPixels });
    checkShape(panorama.full, path);
    return panorama;
  }

  /** All views of what {@link panorama} gave, or of another panorama. @throws DinoSegError IMAGE */
  async viewsOf(panorama: RgbImage & Partial<ReducedImage>): Promise<RgbImage[]> {
    return viewsOn(panorama, this.views, {
      device: this.device,
      full: panorama.full ?? panorama,
      name: 'The image',
    });
  }

  /** One view; those of a panorama that are asked for one after the other are made together. @throws as {@link panorama} */
  async one(path: string, view: number): Promise<RgbImage> {
    const making = this.#made.get(path) ?? this.panorama(path).then((panorama) => this.viewsOf(panorama));
    this.#made.set(path, making);
    if (view === this.views.directions.length - 1) this.#made.delete(path);
    // Whoever asks for some views alone must not keep all panoramas.
    else if (this.#made.size > mostKept) this.#made.delete(this.#made.keys().next().value!);
    const { data, ...shape } = (await making)[view]!;
    // A copy, so that a view does not keep the others in memory.
    return { data: data.slice(), ...shape };
  }
}

const mostKept = 8;
