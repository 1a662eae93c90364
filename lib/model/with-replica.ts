/** Runs calls that take images on the replica of a model that is free. */
import type { ImageInput } from '../data/decode.js';
import type {
  CopiedImage,
  HeadsHandle,
  ModelHandle,
  Normalization,
  PreparedImage,
  RawImage,
} from '../native/bindings/engine.js';
import type { HeadNetwork } from './head-network.js';
import type { ImageSize } from './image-size.js';
import type { ReplicaPool } from './replicas.js';
import type { RunningCalls } from './running-calls.js';
import type { SegmentationHead } from './segmentation-head.js';
import { copied, handOver, prepared, withDecoded, type GivenPixels } from './with-pixels.js';

/** A SegmentationModel, which this module cannot import: it imports this one. */
interface ReplicatedModel extends HeadNetwork {
  readonly normalization: Normalization;
  readonly replicas: readonly HeadNetwork[];
  readonly pool: ReplicaPool<HeadNetwork>;
  readonly calls: RunningCalls;
}

/** What a call uses: it counts as a call of the model and of the heads. */
interface Used {
  model: ReplicatedModel;
  heads: readonly SegmentationHead[];
}

/** Runs a call with images, and with the handles of model and heads. */
type Use<G, T> = (images: G[], model: ModelHandle, heads: readonly HeadsHandle[]) => Promise<T>;

/**
 * Decodes images, then calls `use` with their pixels and with the handles of model and heads on the replica that is free by
 * then. Model and heads are used as they are now: a later dispose() waits.
 *
 * @throws DinoSegError as withDecoded; DISPOSED; what `use` throws.
 */
export function withReplica<T>(
  used: Used,
  images: readonly ImageInput[],
  signal: AbortSignal | undefined,
  use: Use<GivenPixels, T>,
): Promise<T> {
  return onReplica(used, images, signal, () => copied, use);
}

/**
 * {@link withReplica} for calls that need no pixels but a network's input of `size`, see {@link prepared}: it is made on the replica's
 * device while that computes something else.
 */
export function withInputs<T>(
  used: Used,
  images: readonly ImageInput[],
  { size, signal }: { size: ImageSize; signal: AbortSignal | undefined },
  use: Use<GivenPixels | PreparedImage, T>,
): Promise<T> {
  const { normalization } = used.model;
  const take = ({ device }: HeadNetwork) => prepared({ ...size, device, normalization });
  return onReplica(used, images, signal, take, use);
}

function onReplica<G extends CopiedImage | PreparedImage, T>(
  { model, heads }: Used,
  images: readonly ImageInput[],
  signal: AbortSignal | undefined,
  take: (replica: HeadNetwork) => (image: RawImage) => Promise<G>,
  use: Use<RawImage | G, T>,
): Promise<T> {
  const models = new Map(model.replicas.map((replica) => [replica, replica.handle]));
  const places = heads.map((head) => head.places());
  const call = withDecoded(images, signal, model.headDevices.length, (pixels) =>
    model.pool.run((replica) => {
      const handle = models.get(replica)!;
      return handOver(pixels, take(replica), (given) => {
        const placed = places.map((place) => place(replica));
        // Without copies the call joins the queue in this turn.
        return placed.some((head) => head instanceof Promise)
          ? Promise.all(placed).then((copies) => use(given, handle, copies))
          : use(given, handle, placed as HeadsHandle[]);
      });
    }),
  );
  for (const head of heads) void head.calls.add(call);
  return model.calls.add(call);
}
