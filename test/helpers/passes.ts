/** Passes of a network that are watched, and run out of memory. */
import type { Test } from 'tap';
import { DinoSegError } from '../../lib/errors.js';
import { Passes } from '../../lib/model/pass-size.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { Tensor } from '../../lib/model/tensor.js';

/** Lets a size be chosen as on a GPU that has memory for it. */
export function chooseSize(t: Test, size: number): void {
  const { of } = Passes;
  t.intercept(Passes, 'of', {
    value: (...[model, input, options]: Parameters<typeof Passes.of>) =>
      typeof options.passSize === 'number'
        ? of.call(Passes, model, input, options)
        : new Passes(size, { mayHalve: true, onLog: options.onLog }),
  });
}

/**
 * Notes the images of every `decode`, which finds memory for so many; `from`: for those from this call on, counted from 0.
 */
export function watchDecode(t: Test, room = Infinity, from = 0): number[] {
  const seen: number[] = [];
  const decode = Object.getOwnPropertyDescriptor(SegmentationModel.prototype, 'decode')!
    .value as SegmentationModel['decode'];
  t.intercept(SegmentationModel.prototype, 'decode', {
    value: async function (this: SegmentationModel, images: Tensor) {
      const [count] = images.shape;
      seen.push(count!);
      if (seen.length > from && count! > room)
        throw new DinoSegError('OUT_OF_MEMORY', 'Running the network took more memory than there is');
      return decode.call(this, images);
    },
  });
  return seen;
}

/** Share of pixels of the same class. */
export function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let same = 0;
  for (let i = 0; i < a.length; i++) same += Number(a[i] === b[i]);
  return a.length === b.length ? same / a.length : 0;
}
