/** Runs calls that take images on the replica of a model that is free. */
import type { ImageInput } from '../data/decode.js';
import type { HeadsHandle, ModelHandle } from '../native/bindings/engine.js';
import type { HeadNetwork } from './head-network.js';
import type { ReplicaPool } from './replicas.js';
import type { RunningCalls } from './running-calls.js';
import type { SegmentationHead } from './segmentation-head.js';
import { withPixels, type GivenPixels } from './with-pixels.js';

/** A SegmentationModel, which this module cannot import: it imports this one. */
interface ReplicatedModel extends HeadNetwork {
  readonly replicas: readonly HeadNetwork[];
  readonly pool: ReplicaPool<HeadNetwork>;
  readonly calls: RunningCalls;
}

/**
 * Decodes images, then calls `use` with their pixels and with the handles of model and heads on the replica that is free by
 * then. It counts as a call of the model and of the heads, which are used as they are now: a later dispose() waits.
 *
 * @throws DinoSegError as withPixels; DISPOSED; what `use` throws.
 */
export function withReplica<T>(
  { model, heads }: { model: ReplicatedModel; heads: readonly SegmentationHead[] },
  images: readonly ImageInput[],
  signal: AbortSignal | undefined,
  use: (pixels: GivenPixels[], model: ModelHandle, heads: readonly HeadsHandle[]) => Promise<T>,
): Promise<T> {
  const models = new Map(model.replicas.map((replica) => [replica, replica.handle]));
  const places = heads.map((head) => head.places());
  const call = withPixels(images, signal, model.headDevices.length, (pixels) =>
    model.pool.run((replica) => {
      const handle = models.get(replica)!;
      const placed = places.map((place) => place(replica));
      // Without copies the call joins the queue in this turn.
      return placed.some((head) => head instanceof Promise)
        ? Promise.all(placed).then((copies) => use(pixels, handle, copies))
        : use(pixels, handle, placed as HeadsHandle[]);
    }),
  );
  for (const head of heads) void head.calls.add(call);
  return model.calls.add(call);
}
