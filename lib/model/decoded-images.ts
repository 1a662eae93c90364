/** Outputs of the frozen network for a batch of images; the input of every class head function. */
import { instanceOf } from '../arguments.js';
import { engine } from '../native/engine.js';
import type { OutputHandles } from '../native/bindings/engine.js';
import { Tensor } from './tensor.js';

type DecodedHandles = Required<Pick<OutputHandles, 'queries' | 'masks'>>;

/** Queries B×Q×C (input of class_embed) and mask logits B×Q×h×w (h = H/4, w = W/4) of a batch of images. */
export class DecodedImages implements Disposable {
  /** B×Q×C, on the model's device. */
  readonly queries: Tensor;
  /** Mask logits B×Q×h×w, on the model's device. */
  readonly masks: Tensor;

  /** @internal */
  constructor(decoded: DecodedHandles) {
    this.queries = Tensor.wrap(decoded.queries);
    this.masks = Tensor.wrap(decoded.masks);
  }

  /** The engine's own handles. @throws DinoSegError DISPOSED @internal */
  get handles(): DecodedHandles {
    return { queries: this.queries.handle, masks: this.masks.handle };
  }

  /** Returns `count` images from `first` on, in the same memory. @throws DinoSegError SHAPE, DISPOSED */
  slice(first: number, count: number): DecodedImages {
    const items = { first, count };
    const { queries, masks } = this.handles;
    return new DecodedImages({
      queries: engine().slice(queries, items),
      masks: engine().slice(masks, items),
    });
  }

  /** Frees the memory of both tensors now. */
  dispose(): void {
    this.queries.dispose();
    this.masks.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

export const decodedKind = instanceOf('DecodedImages', () => DecodedImages);
