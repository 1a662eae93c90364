/** What the frozen network makes of a batch of images, as far as heads need it. */
import type { OutputHandles } from '../native/bindings/engine.js';
import type { DecodedImages } from './decoded-images.js';
import type { Tensor } from './tensor.js';

/** A part of what a network makes of images: queries and masks, or the features of its backbone. */
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

  /** Images `first` to `first + count`, in the same memory. @throws DinoSegError SHAPE, DISPOSED */
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
