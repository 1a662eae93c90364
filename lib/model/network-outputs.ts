/** Outputs of the frozen network for a batch of images, as far as heads need them. */
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { ModelHandle, OutputHandles, OutputPart } from '../native/bindings/engine.js';
import { DecodedImages } from './decoded-images.js';
import { Tensor } from './tensor.js';

export type { OutputPart };

/** What the engine is asked for, to have these parts of one pass. */
export function outputOptions(parts: readonly OutputPart[]): { decoded: boolean; features: 0 | 1 | 4 } {
  const features = parts.includes('layer_features') ? 4 : parts.includes('features') ? 1 : 0;
  return { decoded: parts.includes('decoded'), features };
}

/** Queries and masks, features, or both, of the same images. */
export class NetworkOutputs implements Disposable {
  constructor(
    readonly decoded: DecodedImages | undefined,
    /** Of the last layer, B×C×H/16×W/16, or of the four tapped layers, B×4C×H/16×W/16. */
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

/** Computes these parts in one pass over images B×3×H×W. @throws DinoSegError as {@link SegmentationModel.decode} */
export async function networkOutputs(
  model: ModelHandle,
  images: Tensor,
  parts: readonly OutputPart[],
  options: JobOptions,
): Promise<NetworkOutputs> {
  const { queries, masks, features } = await runJob(options, (job) =>
    engine().outputs(model, images.handle, outputOptions(parts), job),
  );
  return new NetworkOutputs(
    queries && masks && new DecodedImages({ queries, masks }),
    features && Tensor.wrap(features),
  );
}
