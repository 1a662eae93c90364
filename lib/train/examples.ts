/** A few validation images as a trained head sees them. */
import type { SegmentationDataset } from '../data/dataset.js';
import { encodePng, resizeImage, type RgbImage } from '../data/decode.js';
import type { DecodedImages } from '../model/decoded-images.js';
import { LinearProbe } from '../model/linear-probe.js';
import { openHead, type SegmentationHead } from '../model/open-head.js';
import { scoringOf } from '../model/scoring.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { Scoring } from '../native/surface.js';
import { colorize, sideBySide } from '../report/colorize.js';
import type { HeadTrainer } from './trainer.js';

/** An image, its label and what a head makes of it, all at one size. */
export interface Example {
  /** {@link Pair.name} */
  name: string;
  image: RgbImage;
  /** Class indices H×W, row by row; 255 is no class. */
  truth: Uint8Array;
  /** Class indices H×W, row by row. */
  prediction: Uint8Array;
}

/** Places of so many images, spread over a data set. */
export function examplePlaces(length: number, most: number): number[] {
  const count = Math.min(length, most);
  return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}

/**
 * Images of a data set with what a head file makes of them.
 *
 * @param outputsOf what the network gives for the image at a place, on the device that it names.
 * @param longSide pixels of an example; images are not made larger.
 * @throws DinoSegError of reading images, labels, heads and outputs.
 */
export async function* examples(
  dataset: SegmentationDataset,
  head: string,
  outputsOf: HeadTrainer['valOutputs'],
  options: { most: number; longSide: number },
): AsyncGenerator<Example, void, void> {
  const { classSet } = dataset;
  for (const index of examplePlaces(dataset.length, options.most)) {
    const { image, label, name } = await dataset.load(index);
    const scale = Math.min(1, options.longSide / Math.max(image.width, image.height));
    const side = (pixels: number) => Math.max(1, Math.round(scale * pixels));
    const size = { width: side(image.width), height: side(image.height) };
    const { outputs, device } = await outputsOf(index);
    using own = outputs;
    using opened = await openHead(head, { device });
    const labels = Tensor.wrap(await engine().prepareLabels([label], { ...size, device: 'cpu' }));
    yield {
      name,
      image: await resizeImage(image, size),
      truth: (await labels.take()) as Uint8Array,
      prediction: await predicted(opened, own, { ...size, scoring: scoringOf(opened, classSet) }),
    };
  }
}

async function predicted(
  head: SegmentationHead,
  outputs: DecodedImages | Tensor,
  options: { width: number; height: number; scoring: Scoring },
): Promise<Uint8Array> {
  const map =
    head instanceof LinearProbe
      ? await head.classMap(outputs as Tensor, options)
      : await head.classMap(outputs as DecodedImages, options);
  return (await map.take()) as Uint8Array;
}

/** Photo, label and prediction side by side. @returns a PNG of height × 3 width, and its size */
export async function examplePng(
  { image, truth, prediction }: Example,
  classSet: SegmentationDataset['classSet'],
): Promise<{ png: Buffer; width: number; height: number }> {
  const { width, height } = image;
  const pictures = [image.data, colorize(truth, classSet), colorize(prediction, classSet)];
  const png = await encodePng(sideBySide(pictures, width, height), 3 * width, height, 3);
  return { png, width: 3 * width, height };
}
