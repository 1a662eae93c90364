/** A few validation images as a trained head sees them. */
import type { SegmentationDataset } from '../data/dataset.js';
import { encodePng, type RgbImage } from '../data/decode.js';
import { previewOf, spread } from '../data/preview.js';
import type { DecodedImages } from '../model/decoded-images.js';
import { LinearProbe } from '../model/linear-probe.js';
import { openHead, type SegmentationHead } from '../model/open-head.js';
import { scoringOf } from '../model/scoring.js';
import type { Tensor } from '../model/tensor.js';
import type { Scoring } from '../native/bindings/engine.js';
import { colorize, sideBySide } from '../report/colorize.js';

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

/**
 * Images of a data set with what a head file makes of them.
 *
 * @param outputsOf what the network gives for the image at a place.
 * @param longSide pixels of an example; images are not made larger.
 * @throws DinoSegError of reading images, labels, heads and outputs.
 */
export async function* examples(
  dataset: SegmentationDataset,
  head: string,
  outputsOf: (index: number) => Promise<DecodedImages | Tensor>,
  options: { most: number; longSide: number },
): AsyncGenerator<Example, void, void> {
  const { classSet } = dataset;
  for (const index of spread(dataset.length, options.most)) {
    const sample = await dataset.load(index);
    const { image, label: truth } = await previewOf(sample, {
      width: options.longSide,
      height: options.longSide,
    });
    const { width, height } = image;
    using outputs = await outputsOf(index);
    const { device } = 'masks' in outputs ? outputs.masks : outputs;
    using opened = await openHead(head, { device });
    yield {
      name: sample.name,
      image,
      truth,
      prediction: await predicted(opened, outputs, { width, height, scoring: scoringOf(opened, classSet) }),
    };
  }
}

async function predicted(
  head: SegmentationHead,
  outputs: DecodedImages | Tensor,
  { scoring, ...size }: { width: number; height: number; scoring: Scoring },
): Promise<Uint8Array> {
  const map =
    head instanceof LinearProbe
      ? await head.classMap(outputs as Tensor, size)
      : await head.classMap(outputs as DecodedImages, { ...size, scoring });
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
