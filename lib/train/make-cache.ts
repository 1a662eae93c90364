/** Filling a run's cache without training. */
import { checkArgument, checkOptions } from '../arguments.js';
import { CacheFolder } from '../cache/cache-folder.js';
import type { FillSummary } from '../cache/fill-cache.js';
import { shardKind, shardPath, type Shard } from '../shard.js';
import { cachePath, fillRunCache, runCacheKey } from './run-cache.js';
import { settingsKind, type TrainConfig } from './config.js';
import { leftOutLines, objectLines, warnOfLabels } from './label-warnings.js';
import { completeConfig, openDatasets } from './open-run.js';
import { cacheHooks, type TrainHooks } from './train-hooks.js';

/** A filled cache: its folder, and what was done. */
export interface MadeCache extends FillSummary {
  /** Folder of the cache. */
  path: string;
}

/** Options of {@link makeCache}. */
export interface MakeCacheOptions extends Pick<TrainHooks, 'signal' | 'onProgress' | 'onLog' | 'trustCode'> {
  /**
   * Part of the cache to make, in a folder of its own beside the cache's (`CACHE-00002-of-00008`). `mergeCaches` joins the parts.
   * Default: the whole cache.
   */
  shard?: Shard;
}

/**
 * Fills the cache that {@link train} uses with the same settings, or a part of it.
 *
 * @param given `model`, `data`, `out` or `cache`, and the settings that differ from {@link trainDefaults}.
 * @throws DinoSegError as {@link train}.
 */
export async function makeCache(
  given: Partial<TrainConfig>,
  options: MakeCacheOptions = {},
): Promise<MadeCache> {
  checkArgument(given, settingsKind, 'makeCache(given)');
  checkOptions(options, { ...cacheHooks, shard: shardKind }, 'makeCache()');
  const { shard, ...hooks } = options;
  const { config, notes } = await completeConfig(
    { out: given.cache ?? undefined, ...given } as Partial<TrainConfig>,
    false,
  );
  notes.forEach((note) => hooks.onLog?.(note));
  const datasets = await openDatasets(config);
  for (const line of [...leftOutLines(datasets), ...(await warnOfLabels(datasets))]) hooks.onLog?.(line);
  const key = await runCacheKey(config, datasets);
  const path = cachePath(config, key);
  const folder = await CacheFolder.open(shard ? shardPath(path, shard, '') : path, key);
  const { entries: _, ...made } = await fillRunCache(folder, config, datasets, hooks, shard);
  for (const line of objectLines(datasets)) hooks.onLog?.(line);
  return { path: folder.path, ...made };
}
