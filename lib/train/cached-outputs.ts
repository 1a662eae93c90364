/** What the frozen network made of a data set, made once and kept. */
import { dirname, join } from 'node:path';
import { optionsFor } from '../arguments.js';
import { CacheFolder } from '../cache/cache-folder.js';
import { fillCache, wantedRecords, type FillResult } from '../cache/fill-cache.js';
import { recordId, type IndexEntry } from '../cache/index-file.js';
import { cacheId, cacheKey, type CacheContent, type CacheKey } from '../cache/key.js';
import { readRecord } from '../cache/read-record.js';
import { chooseView, viewCount, viewSettings } from '../cache/views.js';
import type { SegmentationDataset } from '../data/dataset.js';
import { shuffle } from '../data/random.js';
import type { DecodedImages } from '../model/decoded-images.js';
import { loadOptions } from '../model/load-options.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import type { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import { runJob } from '../native/job.js';
import type { RecordPart, RecordStoreHandle } from '../native/bindings/engine.js';
import { formatBytes, formatSeconds } from '../text.js';
import type { TrainConfig } from './config.js';
import type { TrainHooks } from './train-hooks.js';

/** The two splits of a run. */
export interface Datasets {
  train: SegmentationDataset;
  val: SegmentationDataset;
}

/** The key of a run's cache. @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* for the network's file */
export async function runCacheKey(config: TrainConfig, { train }: Datasets): Promise<CacheKey> {
  const contents: CacheContent = config.headKind === 'linear_probe' ? 'features' : 'decoded';
  const { classSet, labelKind } = train;
  const { imageSize, cacheDtype: dtype } = config;
  const model = {
    id: await engine().modelId(config.model),
    dtype: config.dtype,
    precision: config.precision,
  };
  return cacheKey({ model, classSet, labelKind, imageSize, dtype, contents, views: viewSettings(config) });
}

/** `config.cache`, or a folder beside the run's that is named by its key, so that runs share what they can. */
export function cachePath(config: TrainConfig, key: CacheKey): string {
  return config.cache ?? join(dirname(config.out), 'cache', cacheId(key).slice(0, 12));
}

/** A cache's records in memory as far as they fit, in the order: training images by index and view, validation images. */
export class CachedOutputs implements Disposable {
  /** Versions of a training image. */
  readonly viewCount: number;

  private constructor(
    private readonly config: TrainConfig,
    private readonly datasets: Datasets,
    private readonly folder: CacheFolder,
    readonly key: CacheKey,
    readonly layout: readonly RecordPart[],
    readonly store: RecordStoreHandle,
    private readonly entries: readonly IndexEntry[],
    /** What the pass before did. */
    readonly filled: FillResult,
  ) {
    this.viewCount = viewCount(key.views);
  }

  /**
   * Makes what is missing of a run's cache and opens it.
   *
   * @throws DinoSegError as `fillCache`; the signal's reason.
   */
  static async open(config: TrainConfig, datasets: Datasets, hooks: TrainHooks): Promise<CachedOutputs> {
    const key = await runCacheKey(config, datasets);
    const folder = await CacheFolder.open(cachePath(config, key), key);
    const filled = await fillRunCache(folder, config, datasets, hooks);
    const entries = wantedRecords(folder, { ...datasets }).map((record) =>
      filled.entries.get(recordId(record))!,
    );
    const store = folder.store(entries, config.device);
    try {
      await runJob({ signal: hooks.signal }, (job) => engine().loadRecords(store, undefined, job));
      return new CachedOutputs(config, datasets, folder, key, folder.layout!, store, entries, filled);
    } catch (error) {
      engine().dispose(store);
      throw error;
    }
  }

  /** Training images. */
  get trainCount(): number {
    return this.datasets.train.length;
  }

  /** Records of both splits. */
  get recordCount(): number {
    return this.entries.length;
  }

  /** Width of the queries or features. */
  get width(): number {
    const queries = this.layout.find(({ name }) => name === 'queries');
    return queries ? queries.shape[1]! : this.layout.find(({ name }) => name === 'features')!.shape[0]!;
  }

  /** Labelled pixels of each class in the unchanged training images. */
  get classPixels(): number[] {
    const { length } = this.datasets.train.classSet.classes;
    const pixels = new Array<number>(length).fill(0);
    for (let index = 0; index < this.trainCount; index++)
      this.entries[this.trainRecord(index, 0)]!.classPixels.forEach((count, k) => (pixels[k]! += count));
    return pixels;
  }

  trainRecord(index: number, view: number): number {
    return index * this.viewCount + view;
  }

  /** Records of the validation images. */
  get valRecords(): Int32Array {
    const first = this.trainCount * this.viewCount;
    return Int32Array.from({ length: this.datasets.val.length }, (_, i) => first + i);
  }

  /** What the network gave for a validation image: a batch of one, on the CPU. @throws DinoSegError FILE_NOT_FOUND, IO */
  async validationOutputs(index: number): Promise<DecodedImages | Tensor> {
    const entry = this.entries[this.valRecords[index]!]!;
    return readRecord(this.folder.recordFile(entry.file), entry, this.layout);
  }

  /** The records of an epoch in order: images and flips as live training has them. */
  epochRecords(epoch: number): Int32Array {
    const { seed, flip } = this.config;
    return Int32Array.from(shuffle(this.trainCount, seed, epoch), (index) =>
      this.trainRecord(index, chooseView(this.key.views, flip, { seed, epoch, index })),
    );
  }

  [Symbol.dispose](): void {
    engine().dispose(this.store);
  }
}

/** The pass, told as a run's progress and log. */
export async function fillRunCache(
  folder: CacheFolder,
  config: TrainConfig,
  datasets: Datasets,
  hooks: Pick<TrainHooks, 'signal' | 'onProgress' | 'onLog'>,
): Promise<FillResult> {
  const { signal, onProgress, onLog } = hooks;
  const { epochs, prefetch, passSize } = config;
  const filled = await fillCache(folder, {
    loadModel: () => SegmentationModel.load(config.model, { ...optionsFor(loadOptions, config), signal }),
    datasets: { ...datasets },
    prefetch,
    passSize,
    signal,
    onProgress: ({ phase, done, total }) =>
      onProgress?.({
        phase: phase === 'check' ? 'check' : 'cache',
        epoch: 0,
        epochs,
        done,
        total,
        loss: null,
      }),
    onForecast: ({ records, bytes, seconds }) =>
      onLog?.(
        `cache ${folder.path}: ${records} records, ${formatBytes(bytes)}, about ${formatSeconds(seconds)}`,
      ),
    onLog,
  });
  onLog?.(
    `cache ${folder.path}: ${filled.kept} records were there` +
      (filled.made > 0
        ? `, ${filled.made} made in ${formatSeconds(filled.seconds)} (${formatBytes(filled.bytes)})`
        : ''),
  );
  return filled;
}
