/** One walk of a network over images: several a pass, on all its devices, and what is made of each one's outputs in order. */
import { noAugmentation } from '../data/augment.js';
import type { RgbImage } from '../data/decode.js';
import type { MappedLabel } from '../data/map-label.js';
import { inOrderOver, type Pass } from './in-order-over.js';
import { loadImages, loadLabels } from './load-batch.js';
import type { NetworkOutputs } from './network-outputs.js';
import type { BatchRunner } from './pass-size.js';
import type { SegmentationHead } from './segmentation-head.js';
import type { SegmentationModel } from './segmentation-model.js';
import type { Tensor } from './tensor.js';

/** An image that a network sees, decoded. */
export interface SeenImage {
  readonly image: RgbImage;
  readonly label?: MappedLabel;
  /** What it is called: its path is preferred. */
  readonly path?: string;
  readonly name?: string;
}

/** What there is of an image after a pass, for as long as it is used. */
export interface ImagePass<S> {
  /** The image that was given. */
  seen: S;
  /** What the heads read of it, a batch of one. */
  outputs: NetworkOutputs;
  /** 1×H×W uint8; undefined where the group's images have none. */
  labels: Tensor | undefined;
  /** The network that gave the outputs: one of the model's replicas. */
  replica: SegmentationModel;
}

/** How images go through a network. */
export interface Walk {
  /** Width and height that images and labels are resized to. */
  imageSize: number;
  runner: BatchRunner;
  signal?: AbortSignal | undefined;
}

/**
 * Runs what the heads read over groups of images, in passes of at most the runner's size, and calls `use` for each image on the
 * device that it was on.
 *
 * @returns what `use` gave, group by group, in order.
 * @throws DinoSegError MODEL_VALUES, SHAPE, OUT_OF_MEMORY, what `groups` and `use` throw; the signal's reason.
 */
export function eachImage<S extends SeenImage, R>(
  model: SegmentationModel,
  heads: readonly SegmentationHead[],
  groups: AsyncGenerator<readonly S[]>,
  { imageSize, runner, signal }: Walk,
  use: (pass: ImagePass<S>) => Promise<R>,
): AsyncGenerator<R[], void, void> {
  const onReplica = async (
    group: readonly S[],
    { replica, signal: either, turn }: Pass<SegmentationModel>,
  ) => {
    const changes = group.map(() => noAugmentation);
    const { device, normalization } = replica;
    const labelled = group.flatMap(({ label }) => (label ? [{ label }] : []));
    const place = { imageSize, device, normalization };
    const [allImages, allLabels] = await Promise.all([
      loadImages(group, changes, place),
      labelled.length === group.length ? loadLabels(labelled, changes, place) : undefined,
    ]);
    using images = allImages;
    using labels = allLabels;
    return await turn(async () => {
      const results: R[] = [];
      for (let first = 0, count = 0; first < group.length; first += count) {
        using outputs = await runner.run(async (most) => {
          count = Math.min(most, group.length - first);
          using some = images.slice(first, count);
          return replica.outputs(some, heads);
        });
        for (let i = 0; i < count; i++) {
          either.throwIfAborted();
          using own = outputs.slice(i, 1);
          using ownLabels = labels?.slice(first + i, 1);
          const seen = group[first + i]!;
          const result = await use({ seen, outputs: own, labels: ownLabels, replica });
          // What `use` has read came after both.
          await outputs.requireFinite(group.slice(first, first + count).map(nameOf));
          await own.requireFinite([nameOf(seen)]);
          results.push(result);
        }
      }
      return results;
    });
  };
  return inOrderOver(model.pool, groups, onReplica, signal);
}

function nameOf({ path, name }: SeenImage): string {
  return path ?? name ?? '';
}
