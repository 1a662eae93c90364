import type { RgbImage } from '../data/decode.js';
import { random, streams } from '../data/random.js';
import { DinoSegError } from '../errors.js';
import { composeScene } from './drawing/compose.js';
import { labelOf, renderPicture, renderTopmost, visibleObjects } from './drawing/render.js';
import type { Canvas, SceneObject } from './drawing/render.js';
import { addTexture } from './drawing/texture.js';

/** A generated picture with the class of every pixel in two class sets, and its countable things. */
export interface Scene {
  /** The picture, H×W×3. */
  readonly image: RgbImage;
  /** IDD-26 class indices 0…25, H×W; every pixel has one. */
  readonly label: Uint8Array<ArrayBuffer>;
  /** ADE20K class indices 0…149, H×W; 255 where ADE20K has no class (e.g. a train). Label files store one more. */
  readonly ade: Uint8Array<ArrayBuffer>;
  /** What COCO counts, far to near. */
  readonly objects: readonly SceneObject[];
  /** The weather or time of day that was drawn. */
  readonly light: string;
  /** The kind of street that was drawn. */
  readonly kind: string;
}

/** Which scene is drawn, and how large. */
export interface SceneOptions {
  /** From 0. */
  readonly seed: number;
  /** Names the scene within its seed, from 0. */
  readonly index: number;
  /** Pixels; 32 to 4096 each. */
  readonly width: number;
  readonly height: number;
}

function requireWhole(values: Record<string, number>, low: number, high: number, unit = ''): void {
  for (const [name, value] of Object.entries(values))
    if (!Number.isInteger(value) || value < low || value > high)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `A scene's ${name} must be a whole number${unit} from ${low} to ${high}, not ${value}.`,
      );
}

/**
 * Draws a synthetic street scene with its exact labels. The same options give the same scene, in any order and on any
 * thread.
 * @throws DinoSegError INVALID_ARGUMENT for a size or number out of range
 */
export async function drawScene(options: SceneOptions): Promise<Scene> {
  const { seed, index, width, height } = options;
  requireWhole({ width, height }, 32, 4096, ' of pixels');
  requireWhole({ seed, index }, 0, Number.MAX_SAFE_INTEGER);
  const stream = random(seed, streams.scene, index);
  const canvas: Canvas = { width, height, units: (100 * width) / height };
  const { shapes, light, kind } = composeScene(canvas.units, stream);
  const image = await renderPicture(shapes, canvas);
  const topmost = await renderTopmost(shapes, canvas);
  addTexture(image, topmost, shapes, light, stream);
  return {
    image,
    label: labelOf(topmost, shapes, 'idd'),
    ade: labelOf(topmost, shapes, 'ade'),
    objects: visibleObjects(topmost, shapes, width),
    light: light.name,
    kind,
  };
}
