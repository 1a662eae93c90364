import type { RgbImage } from '../../../lib/data/decode.js';
import { random, streams, type RandomStream } from '../../../lib/data/random.js';
import { addGrain, textureOf, type GrainLight } from '../../../lib/demo/grain.js';
import { DinoSegError } from '../../../lib/errors.js';
import { composeScene } from './drawing/compose.js';
import { labelOf, renderPicture, renderTopmost, visibleObjects } from './drawing/render.js';
import type { Canvas, SceneObject } from './drawing/render.js';

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

/** A scene whose picture has no grain yet, and what that depends on. */
export interface PlainScene extends Scene {
  /** Places of the pixels' textures, H×W. */
  readonly textures: Uint8Array;
  readonly grain: GrainLight;
  /** Of the random numbers, where the grain's begin. */
  readonly stream: RandomStream;
}

/**
 * Draws a synthetic street scene with its exact labels. The same options give the same scene, in any order and on any
 * thread.
 * @throws DinoSegError INVALID_ARGUMENT for a size or number out of range
 */
export async function drawScene(options: SceneOptions): Promise<Scene> {
  const { textures, grain, stream, ...scene } = await drawPlainScene(options);
  addGrain(scene.image, textures, grain, stream);
  return scene;
}

/** The same without grain. */
export async function drawPlainScene(options: SceneOptions): Promise<PlainScene> {
  const { seed, index, width, height } = options;
  requireWhole({ width, height }, 32, 4096, ' of pixels');
  requireWhole({ seed, index }, 0, Number.MAX_SAFE_INTEGER);
  const stream = random(seed, streams.scene, index);
  const canvas: Canvas = { width, height, units: (100 * width) / height };
  const { shapes, light, kind } = composeScene(canvas.units, stream);
  const image = await renderPicture(shapes, canvas);
  const topmost = await renderTopmost(shapes, canvas);
  return {
    image,
    label: labelOf(topmost, shapes, 'idd'),
    ade: labelOf(topmost, shapes, 'ade'),
    objects: visibleObjects(topmost, shapes, width),
    light: light.name,
    kind,
    textures: Uint8Array.from(topmost, (place) => textureOf(shapes[place]!.thing)),
    grain: { haze: light.haze, noise: light.noise },
    stream,
  };
}
