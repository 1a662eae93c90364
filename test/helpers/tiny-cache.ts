/** Caches of a tiny network's outputs, and what stands in their files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { optionsFor } from '../../lib/arguments.js';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { fillCache, type FillResult } from '../../lib/cache/fill-cache.js';
import type { FillOptions } from '../../lib/cache/fill-pass.js';
import type { IndexEntry } from '../../lib/cache/index-file.js';
import type { CacheKey } from '../../lib/cache/key.js';
import { loadOptions } from '../../lib/model/load-options.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { RunConfig, TrainConfig } from '../../lib/train/config.js';
import { completeConfig, openDatasets } from '../../lib/train/open-run.js';
import type { Datasets } from '../../lib/train/output-feed.js';
import { runCacheKey } from '../../lib/train/run-cache.js';

/** What a cache is filled with. */
export interface CacheSource {
  config: RunConfig;
  datasets: Datasets;
  key: CacheKey;
}

export async function cacheSource(given: Partial<TrainConfig>): Promise<CacheSource> {
  const { config } = await completeConfig({ out: 'unused', device: 'cpu', ...given, mode: 'cached' }, false);
  const datasets = await openDatasets(config);
  return { config, datasets, key: await runCacheKey(config, datasets) };
}

/** Makes what is missing in a cache's folder. */
export async function fill(
  path: string,
  { config, datasets, key }: CacheSource,
  options: Partial<FillOptions> = {},
): Promise<FillResult> {
  return fillCache(await CacheFolder.open(path, key), {
    loadModel: () => SegmentationModel.load(config.model, optionsFor(loadOptions, config)),
    datasets: { ...datasets },
    prefetch: 4,
    ...options,
  });
}

/** A line of index.jsonl, read without the package's own reader; bytes from `start` to `end`, the line's end included. */
export interface IndexLine {
  start: number;
  end: number;
  /** null: the first line, which holds the layout. */
  entry: IndexEntry | null;
}

export function readIndexLines(cache: string): IndexLine[] {
  const content = readFileSync(join(cache, 'index.jsonl'));
  const lines: IndexLine[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf('\n', start) + 1;
    const parsed = JSON.parse(content.toString('utf8', start, content.indexOf('\t', start))) as object;
    lines.push({ start, end, entry: 'layout' in parsed ? null : (parsed as IndexEntry) });
    start = end;
  }
  return lines;
}

/** How messages call a record. */
export function recordName({ split, name, view }: IndexEntry): string {
  return `${split} ${name} view ${view}`;
}

/** By record: its checksum, and the bytes that stand where the last line of the index says. */
export function readRecords(
  cache: string,
  recordBytes: number,
): Map<string, { entry: IndexEntry; bytes: Buffer }> {
  const files = new Map<number, Buffer>();
  const records = new Map<string, { entry: IndexEntry; bytes: Buffer }>();
  for (const { entry } of readIndexLines(cache)) {
    if (!entry) continue;
    const { file, offset } = entry;
    if (!files.has(file)) files.set(file, readFileSync(join(cache, recordFile(file))));
    records.set(recordName(entry), { entry, bytes: files.get(file)!.subarray(offset, offset + recordBytes) });
  }
  return records;
}

export function recordFile(number: number): string {
  return `records-${String(number).padStart(5, '0')}.bin`;
}
