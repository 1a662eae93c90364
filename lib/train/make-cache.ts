/** Filling a run's cache without training. */
import { checkArgument, checkOptions } from '../arguments.js';
import { CacheFolder } from '../cache/cache-folder.js';
import type { FillSummary } from '../cache/fill-cache.js';
import { cachePath, fillRunCache, runCacheKey } from './run-cache.js';
import { settingsKind, type TrainConfig } from './config.js';
import { completeConfig, openDatasets } from './open-run.js';
import { cacheHooks, type TrainHooks } from './train-hooks.js';

/** A filled cache: its folder, and what was done. */
export interface MadeCache extends FillSummary {
  /** Folder of the cache. */
  path: string;
}

/**
 * Fills the cache that {@link train} uses with the same settings.
 *
 * @param given `model`, `data`, `out` or `cache`, and the settings that differ from {@link trainDefaults}.
 * @throws DinoSegError as {@link train}.
 */
export async function makeCache(
  given: Partial<TrainConfig>,
  hooks: Pick<TrainHooks, 'signal' | 'onProgress' | 'onLog'> = {},
): Promise<MadeCache> {
  checkArgument(given, settingsKind, 'makeCache(given)');
  checkOptions(hooks, cacheHooks, 'makeCache()');
  const { config, notes } = await completeConfig(
    { out: given.cache ?? undefined, ...given } as Partial<TrainConfig>,
    false,
  );
  notes.forEach((note) => hooks.onLog?.(note));
  const datasets = await openDatasets(config);
  const key = await runCacheKey(config, datasets);
  const folder = await CacheFolder.open(cachePath(config, key), key);
  const { entries: _, ...made } = await fillRunCache(folder, config, datasets, hooks);
  return { path: folder.path, ...made };
}
