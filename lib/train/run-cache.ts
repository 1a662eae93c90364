/** The cache of a run: its key, its folder, and the pass that fills it. */
import { dirname, join } from 'node:path';
import { optionsFor } from '../arguments.js';
import type { CacheFolder } from '../cache/cache-folder.js';
import { fillCache, type FillResult } from '../cache/fill-cache.js';
import { cacheId, cacheKey, type CacheKey } from '../cache/key.js';
import { viewSettings } from '../cache/views.js';
import { asSize } from '../model/image-size.js';
import { loadOptions } from '../model/load-options.js';
import { normalizations } from '../model/normalization.js';
import { SegmentationModel } from '../model/segmentation-model.js';
import { engine } from '../native/engine.js';
import type { Shard } from '../shard.js';
import { formatBytes, formatSeconds } from '../text.js';
import type { RunConfig } from './config.js';
import { readsOf } from './head-group.js';
import type { Datasets } from './output-feed.js';
import type { TrainHooks } from './train-hooks.js';
import { withoutUndefined } from '../without-undefined.js';

/** The key of a run's cache. @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* for the network's file */
export async function runCacheKey(config: RunConfig, { train }: Datasets): Promise<CacheKey> {
  const contents = readsOf(config.headKind, config.layers);
  const { classSet, labelKind, unknown } = train;
  const { imageSize, cacheDtype: dtype } = config;
  const model = {
    id: await engine().modelId(config.model),
    dtype: config.dtype,
    precision: config.precision,
    normalization: (await engine().recordedNormalization(config.model)) ?? normalizations.lvd,
  };
  const views = viewSettings(config);
  return cacheKey({ model, classSet, labelKind, unknown, imageSize, dtype, contents, views });
}

/** `config.cache`, or a folder beside the run's that is named by its key, so that runs share what they can. */
export function cachePath(config: RunConfig, key: CacheKey): string {
  return config.cache ?? join(dirname(config.out), 'cache', cacheId(key).slice(0, 12));
}

/** Fills the cache, or a part of it, with a run's progress callback and log. */
export async function fillRunCache(
  folder: CacheFolder,
  config: RunConfig,
  datasets: Datasets,
  hooks: Pick<TrainHooks, 'signal' | 'onProgress' | 'onLog' | 'trustCode'>,
  shard?: Shard,
): Promise<FillResult> {
  const { signal, onProgress, onLog, trustCode } = hooks;
  const { epochs, prefetch, passSize } = config;
  const filled = await fillCache(folder, {
    loadModel: () =>
      SegmentationModel.load(
        config.model,
        { ...optionsFor(loadOptions, config), signal, ...withoutUndefined({ trustCode }) },
        { passSize: folder.form?.passSize ?? passSize, imageSize: asSize(config.imageSize) },
      ),
    datasets: { ...datasets },
    prefetch,
    passSize,
    shard,
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
    `cache ${folder.path}: ${filled.kept} records found` +
      (filled.made > 0
        ? `, ${filled.made} made in ${formatSeconds(filled.seconds)} (${formatBytes(filled.bytes)})`
        : ''),
  );
  return filled;
}
