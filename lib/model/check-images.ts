/** The check of a network's images. */
import { checkArgument, checkOptions } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import { checkImageSize } from './image-size.js';
import { tensorKind, type Tensor } from './tensor.js';

/** Refuses what is no tensor B×3×H×W with H and W multiples of 32. @throws DinoSegError INVALID_ARGUMENT, SHAPE */
export function checkImages(images: Tensor, options: JobOptions, call: string): void {
  checkArgument(images, tensorKind, `${call}(images)`);
  checkOptions(options, jobOptions, `${call}()`);
  const [, channels, height, width] = images.shape;
  if (images.shape.length !== 4 || channels !== 3)
    throw new DinoSegError(
      'SHAPE',
      `Expected images as a tensor B×3×H×W, got ${images.shape.join('×') || 'a scalar'}.`,
    );
  checkImageSize(width!, height!);
}
