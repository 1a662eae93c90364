/** Training on a cache: every image went through the network once, before the first epoch. */
import { CacheFolder } from '../cache/cache-folder.js';
import { wantedRecords, type FillResult } from '../cache/fill-cache.js';
import { recordId, type IndexEntry } from '../cache/index-file.js';
import type { CacheKey } from '../cache/key.js';
import { readRecord } from '../cache/read-record.js';
import { chooseView, viewCount } from '../cache/views.js';
import { shuffle } from '../data/random.js';
import { resolveDevice, resolveDevices } from '../model/device.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import { engine } from '../native/engine.js';
import { runJob } from '../native/job.js';
import type { RecordPart, RecordStoreHandle } from '../native/bindings/engine.js';
import type { RunConfig } from './config.js';
import type { HeadGroup } from './head-group.js';
import type { Datasets, EpochPlan, EvaluateHooks, FedBatches, OutputFeed } from './output-feed.js';
import { cachePath, fillRunCache, runCacheKey } from './run-cache.js';
import type { TrainHooks } from './train-hooks.js';

/** Records that are evaluated in one call. */
const evaluationSlice = 64;

/** A cache's records, in memory as far as they fit: training images by index and view, then validation images. */
export class CachedFeed implements OutputFeed {
  readonly device: string;
  readonly devices: readonly string[];
  /** How long the engine trains before the caller looks at its signal, and shows how far it is. */
  sliceSeconds = 0.5;
  readonly #viewCount: number;

  private constructor(
    private readonly config: RunConfig,
    private readonly datasets: Datasets,
    private readonly folder: CacheFolder,
    private readonly key: CacheKey,
    private readonly layout: readonly RecordPart[],
    private readonly store: RecordStoreHandle,
    private readonly entries: readonly IndexEntry[],
    readonly cacheFill: FillResult,
  ) {
    this.device = resolveDevice(config.device);
    this.devices = resolveDevices(config.device);
    this.#viewCount = viewCount(key.views);
  }

  /**
   * Makes what is missing of a run's cache and opens it.
   *
   * @throws DinoSegError as `fillCache`; the signal's reason.
   */
  static async open(config: RunConfig, datasets: Datasets, hooks: TrainHooks): Promise<CachedFeed> {
    const key = await runCacheKey(config, datasets);
    const folder = await CacheFolder.open(cachePath(config, key), key);
    const filled = await fillRunCache(folder, config, datasets, hooks);
    const entries = wantedRecords(folder, { ...datasets }).map((record) =>
      filled.entries.get(recordId(record))!,
    );
    const store = folder.store(entries, resolveDevice(config.device));
    try {
      await runJob({ signal: hooks.signal }, (job) => engine().loadRecords(store, undefined, job));
      return new CachedFeed(config, datasets, folder, key, folder.layout!, store, entries, filled);
    } catch (error) {
      engine().dispose(store);
      throw error;
    }
  }

  get width(): number {
    const queries = this.layout.find(({ name }) => name === 'queries');
    return queries ? queries.shape[1]! : this.layout.find(({ name }) => name === 'features')!.shape[0]!;
  }

  async classPixels(): Promise<number[]> {
    const { train } = this.datasets;
    const pixels = new Array<number>(train.classSet.classes.length).fill(0);
    for (let index = 0; index < train.length; index++)
      this.entries[this.#trainRecord(index, 0)]!.classPixels.forEach((count, k) => (pixels[k]! += count));
    return pixels;
  }

  async *train(groups: readonly HeadGroup[], plan: EpochPlan): AsyncGenerator<FedBatches, void, void> {
    const { batchSize, accumulate } = this.config;
    const all = this.#epochRecords(plan.epoch);
    const folds = this.#recordFolds(plan.leftOutBy);
    for (let first = plan.firstBatch; first * batchSize < all.length;) {
      let records = all.subarray(first * batchSize);
      let batches = 0;
      const results: FedBatches['results'] = [];
      for (const [turn, group] of groups.entries()) {
        const learningRates = plan.learningRates(group, first, Math.ceil(records.length / batchSize));
        const own = { records, batchSize, accumulate, learningRates, ...(folds && { folds }) };
        const result = await group.trainCached(this.store, own, turn === 0 ? this.sliceSeconds : Infinity);
        batches = result.batches;
        records = records.subarray(0, batches * batchSize);
        results.push(result);
      }
      first += batches;
      yield { batches, images: records.length, stepped: true, results };
    }
  }

  async evaluate(
    groups: readonly HeadGroup[],
    split: keyof Datasets,
    each: Parameters<OutputFeed['evaluate']>[2],
    { signal, onProgress }: EvaluateHooks,
  ): Promise<void> {
    const { length } = this.datasets[split];
    const records = Int32Array.from({ length }, (_, index) =>
      split === 'train' ? this.#trainRecord(index, 0) : this.#valRecord(index),
    );
    for (let first = 0; first < length; first += evaluationSlice) {
      signal?.throwIfAborted();
      const slice = records.subarray(first, first + evaluationSlice);
      for (const group of groups)
        await group.evaluateCached(this.store, slice, (image, ...result) =>
          each(group, first + image, ...result),
        );
      onProgress?.(first + slice.length, length);
    }
  }

  /** From the record's file, on the CPU. @throws DinoSegError FILE_NOT_FOUND, IO */
  async outputsOf(index: number): Promise<NetworkOutputs> {
    const entry = this.entries[this.#valRecord(index)]!;
    return readRecord(this.folder.recordFile(entry.file), entry, this.layout);
  }

  #trainRecord(index: number, view: number): number {
    return index * this.#viewCount + view;
  }

  #valRecord(index: number): number {
    return this.datasets.train.length * this.#viewCount + index;
  }

  /** The records of an epoch in order: images and flips as live training has them. */
  #epochRecords(epoch: number): Int32Array {
    const { seed, flip } = this.config;
    return Int32Array.from(shuffle(this.datasets.train.length, seed, epoch), (index) =>
      this.#trainRecord(index, chooseView(this.key.views, flip, { seed, epoch, index })),
    );
  }

  /** The head that leaves out each record, or −1. */
  #recordFolds(leftOutBy: readonly number[] | undefined): Int32Array | undefined {
    if (!leftOutBy) return undefined;
    const all = new Int32Array(this.entries.length).fill(-1);
    leftOutBy.forEach((fold, index) => {
      for (let view = 0; view < this.#viewCount; view++) all[this.#trainRecord(index, view)] = fold;
    });
    return all;
  }

  [Symbol.dispose](): void {
    engine().dispose(this.store);
  }
}
