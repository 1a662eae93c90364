/** What a head makes of an image, and how far two of them differ. */
import type { ImagePass } from '../model/each-image.js';
import type { OpenedHead } from '../model/segmenter.js';
import type { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';

/** What is compared of an image: a batch of one, all on one device. */
export interface HeadOutputs extends Disposable {
  /** Class logits 1×Q×K, or a probe's 1×K×h×w, float32. */
  readonly logits: Tensor;
  /** Mask logits 1×Q×h×w, float32; undefined for a probe. */
  readonly masks: Tensor | undefined;
  /** Class of each pixel, 1×H×W uint8. */
  readonly map: Tensor;
}

/** Scores an image. The masks are those of the pass. @throws DinoSegError OUT_OF_MEMORY, DISPOSED */
export async function headOutputs(
  { head, scoring }: OpenedHead,
  { outputs, replica }: Pick<ImagePass<unknown>, 'outputs' | 'replica'>,
  imageSize: number,
): Promise<HeadOutputs> {
  const size = { width: imageSize, height: imageSize };
  const [logits, map] = await Promise.all([
    head.logitsOf(outputs, { on: replica }),
    head.mapOf(outputs, { ...size, scoring, on: replica }),
  ]);
  const masks = head.reads === 'decoded' ? outputs.decoded!.masks : undefined;
  const dispose = () => {
    logits.dispose();
    map.dispose();
  };
  return { logits, masks, map, [Symbol.dispose]: dispose };
}

/** How far A is from B in one image. */
export interface Difference {
  /** Relative errors ‖A − B‖ / ‖B‖; null where A and B do not have them in the same shape. */
  readonly classLogits: number | null;
  readonly maskLogits: number | null;
  /** Pixels K×K: rows are classes by A, columns by B. */
  readonly counts: Float64Array;
}

/** Compares on the device of `b`. @param classes K */
export async function differenceOf(a: HeadOutputs, b: HeadOutputs, classes: number): Promise<Difference> {
  const [classLogits, maskLogits, counts] = await Promise.all([
    relativeError(a.logits, b.logits),
    relativeError(a.masks, b.masks),
    engine().confusion(b.map.handle, a.map.handle, classes),
  ]);
  return { classLogits, maskLogits, counts };
}

async function relativeError(a: Tensor | undefined, b: Tensor | undefined): Promise<number | null> {
  if (!a || !b || a.shape.join() !== b.shape.join()) return null;
  const [error] = await engine().relativeErrors(b.handle, a.handle);
  return error!;
}
