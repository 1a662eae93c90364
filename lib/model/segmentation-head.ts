/** What all kinds of heads have in common. */
import { checkArgument } from '../arguments.js';
import type { ClassSet } from '../data/class-set.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { HeadsHandle, JobHandle, LossResult, Scoring, TensorHandle } from '../native/bindings/engine.js';
import { sha256 } from '../settings-digest.js';
import { HeadCopies } from './head-copies.js';
import type { HeadMetadata } from './head-metadata.js';
import { networkKind, type HeadNetwork } from './head-network.js';
import type { ImageSize } from './image-size.js';
import type { NetworkOutputs, OutputPart } from './network-outputs.js';
import { OwnedHandle } from './owned-handle.js';
import { RunningCalls } from './running-calls.js';
import { Tensor } from './tensor.js';

/**
 * A head scores images from the outputs of the frozen network: a {@link ClassHead} from queries and masks, a
 * {@link LinearProbe} from the backbone's features. `dispose()` or `using` frees its memory; `await using` waits
 * for its calls first.
 */
export abstract class SegmentationHead implements Disposable, AsyncDisposable {
  /** Number of outputs K. */
  readonly classes: number;
  /** `cpu`, `cuda:0`, … */
  readonly device: string;
  /** Metadata of its file: classes, precision, epoch, mIoU, model and image size. */
  readonly metadata: Readonly<HeadMetadata>;
  /** Running calls. @internal */
  readonly calls = new RunningCalls();
  /** The outputs of the network that it reads. @internal */
  abstract readonly reads: OutputPart;
  /** Supported scorings. @internal */
  abstract readonly scorings: readonly Scoring[];
  /** For replicas. Tell it when a call changes the head's values. @internal */
  protected readonly copies = new HeadCopies();
  readonly #owned: OwnedHandle<HeadsHandle>;

  /** @internal */
  protected constructor(
    handle: HeadsHandle,
    name: string,
    description: { classes: number; device: string; metadata: HeadMetadata },
  ) {
    this.#owned = new OwnedHandle(handle, () => name);
    this.classes = description.classes;
    this.device = description.device;
    this.metadata = description.metadata;
  }

  /** The engine's own handle. @throws DinoSegError DISPOSED @internal */
  get handle(): HeadsHandle {
    return this.#owned.get();
  }

  /**
   * The head's handle for a network's device and lane: its own where it is there, else a copy of its values now, which is made
   * once for each device and lane, again after the head has changed, and lives until the head is disposed of.
   *
   * @param model a {@link SegmentationModel}, such as a replica.
   * @throws DinoSegError OUT_OF_MEMORY, DISPOSED @internal
   */
  on(model: HeadNetwork): HeadsHandle | Promise<HeadsHandle> {
    return this.places()(model);
  }

  /** {@link on} for a call that begins now: it works until the call ends, also if the head is disposed of after it. @internal */
  places(): (model: HeadNetwork) => HeadsHandle | Promise<HeadsHandle> {
    const own = this.handle;
    return (model) => {
      const { device, replica } = model;
      return device === this.device && replica === 0 ? own : this.copies.at(own, { device, replica });
    };
  }

  /** Names and colours of the outputs; null if the file does not state them. */
  get classSet(): ClassSet | null {
    return this.metadata.classSet;
  }

  /**
   * Checks that the head can work with a model: that the network gives what the head reads, in the head's width, on the
   * head's device; a model on several devices may have it among them.
   *
   * @param model a {@link SegmentationModel}.
   * @throws DinoSegError MODEL_FORMAT for a network without queries and masks (a backbone alone) or without features,
   *   HEAD_MISMATCH for another width, DEVICE.
   */
  assertFits(model: HeadNetwork): void {
    checkArgument(model, networkKind, 'assertFits(model)');
    engine().checkFits(model.handle, this.handle);
    if (!model.headDevices.includes(this.device))
      throw new DinoSegError(
        'DEVICE',
        `The head is on ${this.device}, but the network is on ${model.device}: pass { device: model.device } when you create or ` +
          'load the head.',
      );
  }

  /**
   * Writes a head file (safetensors) atomically: to a temporary file, which is synced and renamed.
   *
   * @param options.metadata metadata to write in addition to the head's own.
   * @throws DinoSegError DISK_FULL, IO, DISPOSED.
   */
  abstract save(path: string, options?: { metadata?: Partial<HeadMetadata> }): Promise<void>;

  /** Mean cross entropy of the scores on labels B×H×W (uint8, 255 ignored). `on`: the network that gave the outputs. @internal */
  async lossOf(
    outputs: NetworkOutputs,
    labels: Tensor,
    { on, ...options }: JobOptions & { on?: HeadNetwork } = {},
  ): Promise<LossResult> {
    const handle = on ? await this.on(on) : this.handle;
    const batch = { ...outputs.handles, labels: labels.handle };
    const sums = await this.run(options, (job) => engine().headsLosses(handle, batch, job));
    let [loss, pixels] = [0, 0];
    for (let image = 0; image < sums.length; image += 2) {
      loss += sums[image]!;
      pixels += sums[image + 1]!;
    }
    return { loss: pixels > 0 ? loss / pixels : 0, pixels };
  }

  /** Class logits B×Q×K of queries, or a probe's scores B×K×h×w of features, float32. `on`: the network that gave the outputs. @internal */
  async logitsOf(
    outputs: NetworkOutputs,
    { on, ...options }: JobOptions & { on?: HeadNetwork } = {},
  ): Promise<Tensor> {
    const handle = on ? await this.on(on) : this.handle;
    return Tensor.wrap(await this.run(options, (job) => engine().headsForward(handle, outputs.handles, job)));
  }

  /** Best class of every pixel, B×height×width uint8, for {@link NetworkOutputs.requireFinite}. `on`: the network that gave the outputs. @internal */
  async mapOf(
    outputs: NetworkOutputs,
    {
      width,
      height,
      scoring,
      on,
      ...options
    }: JobOptions & ImageSize & { scoring: Scoring; on?: HeadNetwork },
  ): Promise<Tensor> {
    const handle = on ? await this.on(on) : this.handle;
    const size = { width, height, scoring };
    const made = await this.run(options, (job) => engine().classMap(handle, outputs.handles, size, job));
    outputs.watch(made.watch);
    return Tensor.wrap(made.map);
  }

  /** {@link mapOf} for users: outputs that are theirs, and no map of values that are not finite. @internal */
  protected async finiteMapOf(
    outputs: NetworkOutputs,
    options: JobOptions & ImageSize & { scoring: Scoring },
  ): Promise<Tensor> {
    const map = await this.mapOf(outputs, options);
    try {
      await outputs.requireFinite();
      return map;
    } catch (error) {
      map.dispose();
      throw error;
    }
  }

  /** SHA-256 of its values as they are now, whatever its file. @throws DinoSegError DISPOSED @internal */
  async digest(): Promise<string> {
    const state = await this.calls.add(engine().headsState(this.handle));
    const parts: string[] = [];
    for (const name of ['value', 'runningMean', 'runningVar'] as const) {
      const handle = state[name];
      if (handle) parts.push(sha256(new Uint8Array((await engine().tensorData(handle)).data.buffer)));
    }
    for (const handle of Object.values(state)) engine().dispose(handle as TensorHandle);
    return sha256(parts.join());
  }

  /** Runs a call that can be cancelled, and counts it. @internal */
  protected run<T>(options: JobOptions, start: (job: JobHandle | undefined) => Promise<T>): Promise<T> {
    return this.calls.add(runJob(options, start));
  }

  /** Frees the head's memory now, or when its running calls end. Calling it again does nothing. */
  dispose(): void {
    this.#owned.dispose();
    this.copies.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Accepts no further calls, waits for running ones, then frees the memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAfter(this.calls);
    this.copies.dispose();
  }
}
