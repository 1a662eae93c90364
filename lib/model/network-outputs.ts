/** Outputs of the frozen network for a batch of images, as far as heads need them. */
import type { OutputHandles } from '../native/bindings/engine.js';
import type { DecodedImages } from './decoded-images.js';
import type { Tensor } from './tensor.js';

/** Part of a network's outputs: queries and masks, or the backbone's features. */
export type OutputPart = 'decoded' | 'features';

/** Queries and masks, features, or both, of the same images. */
export class NetworkOutputs implements Disposable {
  constructor(
    readonly decoded: DecodedImages | undefined,
    readonly features: Tensor | undefined,
  ) {}

  /** The engine's own handles. @throws DinoSegError DISPOSED */
  get handles(): OutputHandles {
    return { ...this.decoded?.handles, ...(this.features && { features: this.features.handle }) };
  }

  /** `cpu`, `cuda:0`, … */
  get device(): string {
    return (this.decoded?.masks ?? this.features!).device;
  }

  /** Returns `count` images from `first` on, in the same memory. @throws DinoSegError SHAPE, DISPOSED */
  slice(first: number, count: number): NetworkOutputs {
    return new NetworkOutputs(this.decoded?.slice(first, count), this.features?.slice(first, count));
  }

  dispose(): void {
    this.decoded?.dispose();
    this.features?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
