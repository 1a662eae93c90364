/** A few validation images as a trained head sees them. */
import type { SegmentationDataset } from '../data/dataset.js';
import { encodePng, type RgbImage } from '../data/decode.js';
import { previewOf, spread } from '../data/preview.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import { openHead } from '../model/open-head.js';
import { scoringOf } from '../model/scoring.js';
import { colorize, sideBySide } from '../report/colorize.js';

/** An image, its label and a head's prediction, all at one size. */
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
 * Images of a data set with the predictions of a head.
 *
 * @param outputsOf what the network gives for the image at a place.
 * @param longSide pixels of an example; images are not made larger.
 * @throws DinoSegError of reading images, labels, heads and outputs.
 */
export async function* examples(
  dataset: SegmentationDataset,
  head: string,
  outputsOf: (index: number) => Promise<NetworkOutputs>,
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
    using opened = await openHead(head, { device: outputs.device });
    const map = await opened.mapOf(outputs, { width, height, scoring: scoringOf(opened, classSet) });
    const prediction = (await map.take()) as Uint8Array;
    await outputs.requireFinite([sample.name]);
    yield { name: sample.name, image, truth, prediction };
  }
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
