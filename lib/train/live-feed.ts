/** Live training: every image goes through the network in every epoch. */
import { optionsFor } from '../arguments.js';
import { noAugmentation } from '../data/augment.js';
import { evaluationBatch, evaluationBatches } from '../evaluate/batches.js';
import { resolveDevice } from '../model/device.js';
import { asSize } from '../model/image-size.js';
import { loadOptions } from '../model/load-options.js';
import { loadLabels } from '../model/load-batch.js';
import { logStreaming } from '../model/pass-size.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import { trainingBatches } from './batches.js';
import type { RunConfig } from './config.js';
import { readsOf, type HeadGroup } from './head-group.js';
import { scheduleOf } from './schedule.js';
import type { TrainHooks } from './train-hooks.js';
import type { Datasets, EpochPlan, EvaluateHooks, FedBatches, OutputFeed } from './output-feed.js';
import { withoutUndefined } from '../without-undefined.js';

/** The network itself. */
export class LiveFeed implements OutputFeed {
  readonly cacheFill = undefined;

  private constructor(
    private readonly config: RunConfig,
    private readonly datasets: Datasets,
    private readonly model: SegmentationModel,
  ) {}

  /** @throws DinoSegError as {@link SegmentationModel.load} */
  static async open(
    config: RunConfig,
    datasets: Datasets,
    { onLog, trustCode }: Pick<TrainHooks, 'onLog' | 'trustCode'>,
  ): Promise<LiveFeed> {
    const { imageSize, batchSize: passSize } = config;
    // A step needs the batches before it, so that one device is at work at a time.
    const device = resolveDevice(config.device);
    const options = { ...optionsFor(loadOptions, config), device, ...withoutUndefined({ trustCode }) };
    const use = { passSize, imageSize: asSize(imageSize) };
    const model = await SegmentationModel.load(config.model, options, use);
    logStreaming(model, passSize, onLog);
    return new LiveFeed(config, datasets, model);
  }

  get device(): string {
    return this.model.device;
  }

  get devices(): readonly string[] {
    return this.model.devices;
  }

  get width(): number {
    const { headKind, layers } = this.config;
    return headKind === 'linear_probe' ? layers * this.model.width : this.model.hidden;
  }

  assertFits(group: HeadGroup): void {
    group.assertFits(this.model);
  }

  async classPixels(signal?: AbortSignal): Promise<number[]> {
    const { train } = this.datasets;
    const { length } = train.classSet.classes;
    const pixels = new Array<number>(length).fill(0);
    for (let index = 0; index < train.length; index++) {
      signal?.throwIfAborted();
      using labels = await loadLabels([await train.load(index)], [noAugmentation], {
        imageSize: this.config.imageSize,
        device: 'cpu',
      });
      const counts = await engine().confusion(labels.handle, labels.handle, length);
      for (let k = 0; k < length; k++) pixels[k]! += counts[k * (length + 1)]!;
    }
    return pixels;
  }

  async *train(groups: readonly HeadGroup[], plan: EpochPlan): AsyncGenerator<FedBatches, void, void> {
    const { config, model, datasets } = this;
    const { accumulate } = config;
    const { batchesPerEpoch } = scheduleOf({ ...config, images: datasets.train.length });
    const place = this.#place();
    let done = plan.firstBatch;
    let step = new Step(groups, plan, done);
    for await (using batch of trainingBatches(datasets.train, place, { ...plan, firstBatch: done })) {
      using outputs = await model.outputs(batch.images, groups);
      const losses = await step.accumulate(outputs, batch.labels, batch.indices, 1 / accumulate);
      await outputs.requireFinite(batch.indices.map((index) => datasets.train.pairs[index]!.image));
      done++;
      const stepped = done % accumulate === 0 || done === batchesPerEpoch;
      const norms = stepped ? await step.take() : groups.map(() => new Float32Array());
      if (stepped) step = new Step(groups, plan, done);
      const results = groups.map((_, i) => ({ losses: losses[i]!, norms: norms[i]! }));
      yield { batches: 1, images: batch.count, stepped, results };
    }
  }

  async evaluate(
    groups: readonly HeadGroup[],
    split: keyof Datasets,
    each: Parameters<OutputFeed['evaluate']>[2],
    { signal, onProgress }: EvaluateHooks,
  ): Promise<void> {
    const { config, model } = this;
    const dataset = this.datasets[split];
    const place = this.#place();
    let first = 0;
    // Passes of a size that the settings give: figures are those of a run that never stopped, to the bit.
    for await (using batch of evaluationBatches(dataset, config.batchSize, place, signal)) {
      using outputs = await model.outputs(batch.images, groups);
      for (const group of groups)
        await group.evaluate(outputs, batch.labels, (image, ...result) =>
          each(group, first + image, ...result),
        );
      await outputs.requireFinite(batch.indices.map((index) => dataset.pairs[index]!.image));
      signal?.throwIfAborted();
      first += batch.count;
      onProgress?.(first, dataset.length);
    }
  }

  async outputsOf(index: number): Promise<NetworkOutputs> {
    const { model, datasets, config } = this;
    using batch = await evaluationBatch(datasets.val, [index], this.#place());
    return model.outputs(batch.images, [{ reads: readsOf(config.headKind, config.layers) }]);
  }

  /** Where and how batches are prepared. */
  #place() {
    const { device, normalization } = this.model;
    return { ...this.config, device, normalization };
  }

  [Symbol.dispose](): void {
    this.model.dispose();
  }
}

/** The batches of one optimiser step. */
class Step {
  /** Heads of each group that learn from one of the images. */
  readonly #active: boolean[][];
  #batches = 0;

  constructor(
    private readonly groups: readonly HeadGroup[],
    private readonly plan: EpochPlan,
    private readonly firstBatch: number,
  ) {
    this.#active = groups.map(({ settings }) => settings.map(() => !plan.leftOutBy));
  }

  /** @param indices of the batch's training images. @returns losses of each group's heads */
  async accumulate(
    outputs: NetworkOutputs,
    labels: Tensor,
    indices: readonly number[],
    scale: number,
  ): Promise<Float64Array[]> {
    this.#batches++;
    const losses: Float64Array[] = [];
    for (const [i, group] of this.groups.entries()) {
      using include = this.#include(indices, group.settings.length, this.#active[i]!);
      losses.push(await group.accumulate(outputs, labels, scale, include));
    }
    return losses;
  }

  /** B×N, 0 where the head leaves the image out; undefined where none does. */
  #include(indices: readonly number[], heads: number, active: boolean[]): Tensor | undefined {
    const { leftOutBy } = this.plan;
    if (!leftOutBy) return undefined;
    const include = new Float32Array(indices.length * heads).fill(1);
    for (const [b, index] of indices.entries()) {
      include[b * heads + leftOutBy[index]!] = 0;
      for (let head = 0; head < heads; head++) active[head] ||= leftOutBy[index] !== head;
    }
    return Tensor.from(include, [indices.length, heads]);
  }

  /** @returns the gradients' norms of each group's heads */
  async take(): Promise<Float32Array[]> {
    const norms: Float32Array[] = [];
    for (const [i, group] of this.groups.entries()) {
      const rates = this.plan.learningRates(group, this.firstBatch, this.#batches);
      norms.push(await group.step(rates, this.#active[i]!));
    }
    return norms;
  }
}
