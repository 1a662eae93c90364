/** Outputs of the frozen network for a batch of images, as far as heads need them. */
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { ModelHandle, OutputHandles, OutputPart, WatchHandle } from '../native/bindings/engine.js';
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
  readonly #watches: WatchHandle[] = [];

  constructor(
    readonly decoded: DecodedImages | undefined,
    /** Of the last layer, B×C×H/16×W/16, or of the four tapped layers, B×4C×H/16×W/16. */
    readonly features: Tensor | undefined,
    /** Path of the network, for messages. Default: for outputs that a user gives. */
    private readonly path = 'that gave these outputs',
  ) {}

  /** Adds what is to be known before anything made of these outputs counts: see {@link requireFinite}. */
  watch(watch: WatchHandle): void {
    this.#watches.push(watch);
  }

  /**
   * Ends when it is known whether the network and its heads gave finite numbers; at once where something has been read that was made
   * of them. It does not keep the device waiting.
   *
   * @param names what the images are called; empty: by their place.
   * @throws DinoSegError MODEL_VALUES for NaN and infinite values, with the first image that has one.
   */
  async requireFinite(names: readonly string[] = []): Promise<void> {
    const watches = this.#watches.splice(0);
    try {
      for (const watch of watches) await engine().requireFinite(watch, this.path, names);
    } finally {
      for (const watch of watches) engine().dispose(watch);
    }
  }

  /** The engine's own handles. @throws DinoSegError DISPOSED */
  get handles(): OutputHandles {
    return { ...this.decoded?.handles, ...(this.features && { features: this.features.handle }) };
  }

  /** `cpu`, `cuda:0`, … */
  get device(): string {
    return (this.decoded?.masks ?? this.features!).device;
  }

  /** Returns `count` images from `first` on, in the same memory, without their watches. @throws DinoSegError SHAPE, DISPOSED */
  slice(first: number, count: number): NetworkOutputs {
    return new NetworkOutputs(
      this.decoded?.slice(first, count),
      this.features?.slice(first, count),
      this.path,
    );
  }

  dispose(): void {
    this.decoded?.dispose();
    this.features?.dispose();
    for (const watch of this.#watches.splice(0)) engine().dispose(watch);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Computes these parts in one pass over images B×3×H×W. Whoever uses them calls {@link NetworkOutputs.requireFinite}.
 *
 * @throws DinoSegError as {@link SegmentationModel.decode}, without MODEL_VALUES
 */
export async function networkOutputs(
  { handle, path }: { handle: ModelHandle; path: string },
  images: Tensor,
  parts: readonly OutputPart[],
  options: JobOptions,
): Promise<NetworkOutputs> {
  const { queries, masks, features, watch } = await runJob(options, (job) =>
    engine().outputs(handle, images.handle, outputOptions(parts), job),
  );
  const outputs = new NetworkOutputs(
    queries && masks && new DecodedImages({ queries, masks }),
    features && Tensor.wrap(features),
    path,
  );
  outputs.watch(watch);
  return outputs;
}
