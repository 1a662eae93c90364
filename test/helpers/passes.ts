/** Passes of a network that are watched, and run out of memory. */
import type { Test } from 'tap';
import { DinoSegError } from '../../lib/errors.js';
import { BatchRunner } from '../../lib/model/pass-size.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { Tensor } from '../../lib/model/tensor.js';

const { prototype } = SegmentationModel;
const methodOf = (name: 'decode' | 'outputs' | 'segmentBatch') =>
  Object.getOwnPropertyDescriptor(prototype, name)!.value as unknown;
type Pass = (images: Tensor, ...rest: unknown[]) => Promise<unknown>;
const networkPasses = { decode: methodOf('decode') as Pass, outputs: methodOf('outputs') as Pass };
const segmentBatch = methodOf('segmentBatch') as SegmentationModel['segmentBatch'];

/** Lets a size be chosen as on a GPU that has memory for it. */
export function chooseSize(t: Test, size: number): void {
  const { of } = BatchRunner;
  t.intercept(BatchRunner, 'of', {
    value: (...[model, input, options]: Parameters<typeof BatchRunner.of>) =>
      typeof options.passSize === 'number'
        ? of.call(BatchRunner, model, input, options)
        : new BatchRunner(size, { mayHalve: true, onLog: options.onLog }),
  });
}

/**
 * Notes the images of every `decode` and `outputs`, which finds memory for so many; `from`: for those from this call on, counted from 0.
 */
export function watchDecode(t: Test, room = Infinity, from = 0): number[] {
  const seen: number[] = [];
  for (const name of ['decode', 'outputs'] as const) {
    const method = networkPasses[name];
    t.intercept(prototype, name, {
      value: async function (this: SegmentationModel, images: Tensor, ...rest: unknown[]) {
        const [count] = images.shape;
        seen.push(count!);
        if (seen.length > from && count! > room)
          throw new DinoSegError('OUT_OF_MEMORY', 'Running the network needs more memory than is available');
        return method.call(this, images, ...rest);
      },
    });
  }
  return seen;
}

/** Notes images and `passSize` of every `segmentBatch`, which finds memory for so many images or windows. */
export function watchSegment(t: Test, room = Infinity): [images: number, passSize: number][] {
  const seen: [number, number][] = [];
  t.intercept(prototype, 'segmentBatch', {
    value: async function (this: SegmentationModel, ...[images, options]: Parameters<typeof segmentBatch>) {
      const { mode, passSize = 1 } = options!;
      seen.push([images.length, passSize]);
      if ((mode === 'slide' ? passSize : images.length) > room)
        throw new DinoSegError('OUT_OF_MEMORY', 'Running the network needs more memory than is available');
      return segmentBatch.call(this, images, options);
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
