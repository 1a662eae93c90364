/** Whether two networks, heads or precisions give the same results on a person's own images. */
import { checkArgument, checkOptions, paths as pathsKind } from '../arguments.js';
import { checkedMaxPixels } from '../data/budget.js';
import { checkImageSize, imageSizeOf } from '../model/image-size.js';
import { checkPassSize } from '../model/pass-size.js';
import { compareOptions, type CompareOptions } from './compare-options.js';
import {
  assertDiffers,
  assertSameClasses,
  comparedNetworkOptions,
  headFacts,
  sharesNetwork,
  type ComparedNetwork,
} from './compared-network.js';
import type { Comparison } from './comparison.js';
import { labelledImagesOptions, type LabelledImages } from './image-source.js';
import { compareHeads, compareNetworks } from './passes.js';

/**
 * Compares two precisions, two network files or two heads on the same images, which may be labelled: relative errors of class and
 * mask logits, the share of pixels with the same class, overall and by class, and mIoU.
 *
 * Images are resized to the networks' input and class maps are compared at that size, as {@link evaluate} does. Two heads of one
 * network share its passes. Of two networks one is in memory at a time: outputs of the first wait in a file of the system's
 * temporary folder, about 7 MB an image at 512×512.
 *
 * @param a the first network, such as one in the precision in question.
 * @param b the one that `a` is measured against.
 * @param images images, folders and globs, as in {@link imagesOfPaths}, or a split of labelled images.
 * @throws DinoSegError INVALID_ARGUMENT if `a` and `b` are the same, HEAD_MISMATCH if their classes differ, CLASSES, SHAPE,
 *   DISK_FULL, IO, OUT_OF_MEMORY, what loading throws; for labelled images what {@link evaluate} throws; the signal's reason. Images
 *   without labels that cannot be read are listed in the result instead.
 */
export async function compare(
  a: ComparedNetwork,
  b: ComparedNetwork,
  images: readonly string[] | LabelledImages,
  options: CompareOptions = {},
): Promise<Comparison> {
  checkOptions(a, comparedNetworkOptions, 'compare(a)');
  checkOptions(b, comparedNetworkOptions, 'compare(b)');
  if (Array.isArray(images)) checkArgument(images, pathsKind, 'compare(images)');
  else checkOptions(images as LabelledImages, labelledImagesOptions, 'compare(images)');
  checkOptions(options, compareOptions, 'compare()');
  checkPassSize(options.passSize);
  checkedMaxPixels(options.maxPixels);
  assertDiffers(a, b);
  const heads = [await headFacts(a, options.classes), await headFacts(b, options.classes)] as const;
  if (heads[0] && heads[1]) assertSameClasses(heads[0].classSet, heads[1].classSet);
  const known = heads.filter((head) => head !== undefined);
  const imageSize = imageSizeOf(options.imageSize, known);
  checkImageSize(imageSize, imageSize);
  const run = sharesNetwork(a, b) ? compareHeads : compareNetworks;
  return run([a, b], images, { ...options, imageSize, classSetOfB: heads[1]?.classSet });
}
