/** Filling a cache: finding out what is missing, and having it made. */
import type { SegmentationDataset } from '../data/dataset.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { CacheWriterHandle } from '../native/bindings/engine.js';
import { itemsOf, shardText } from '../shard.js';
import type { CacheFolder, Damage } from './cache-folder.js';
import { FillPass, takeLock, type FillOptions } from './fill-pass.js';
import type { PassForecast } from './forecast.js';
import { recordId, type IndexEntry } from './index-file.js';
import type { Wanted } from './record-maker.js';
import { isCurrent } from './source.js';
import { viewCount } from './views.js';

/** Result of filling a cache. */
export interface FillSummary {
  /** Intact records that were found. */
  kept: number;
  /** Records made now. */
  made: number;
  /** Damaged parts, which were made again. */
  damage: Damage[];
  /** Images per forward pass; null for a cache without records. */
  passSize: number | null;
  /** Size of the records made now. */
  bytes: number;
  /** Time spent on making them. */
  seconds: number;
  /** Forecast made after the first images; null if no record was missing. */
  forecast: PassForecast | null;
}

/** {@link FillSummary}, and every record that the cache (or the part of it) should hold, by {@link recordId}. */
export interface FillResult extends FillSummary {
  entries: Map<string, IndexEntry>;
}

/** Every record of the data sets, in the order in which they are made. */
export function wantedRecords(folder: CacheFolder, datasets: Record<string, SegmentationDataset>): Wanted[] {
  return Object.entries(datasets).flatMap(([split, dataset]) => {
    const views = split === 'train' ? viewCount(folder.key.views) : 1;
    return dataset.pairs.flatMap((pair, index) =>
      Array.from({ length: views }, (_, view) => ({ split, name: pair.name, view, dataset, index, pair })),
    );
  });
}

/**
 * Makes what is missing, damaged or older than its image; whole records stay as they are.
 *
 * @throws DinoSegError CACHE, DISK_FULL (before the pass where the forecast says so), SHAPE, IMAGE, LABEL_SIZE,
 *   LABEL_VALUE, OUT_OF_MEMORY, IO; the signal's reason.
 */
export async function fillCache(folder: CacheFolder, options: FillOptions): Promise<FillResult> {
  const { signal, onProgress, onLog = () => {} } = options;
  const checked = await folder.verify({
    signal,
    onProgress: (done, total) => onProgress?.({ phase: 'check', done, total }),
  });
  for (const { record, reason } of checked.damage)
    onLog(`damaged: ${record === null ? '' : `${record}: `}${reason}; it is made again`);
  const wanted = wantedRecords(folder, options.datasets);
  const due = options.shard ? itemsOf(options.shard, wanted) : wanted;
  if (due.length === 0 && options.shard)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `Part ${shardText(options.shard)} would have no record: the cache has ${wanted.length}. Make fewer parts.`,
    );
  folder.part = options.shard ? { ...options.shard, records: due.length } : null;
  const missing = new Set<Wanted>();
  const entries = new Map<string, IndexEntry>();
  for (const record of due) {
    const entry = checked.whole.get(recordId(record));
    if (entry && (await isCurrent(entry, record.pair))) entries.set(recordId(record), entry);
    else missing.add(record);
  }
  const kept = entries.size;
  const result = {
    kept,
    made: missing.size,
    damage: checked.damage,
    passSize: folder.form?.passSize ?? null,
    bytes: 0,
    seconds: 0,
    forecast: null,
    entries,
  };
  if (missing.size === 0) {
    if (checked.damage.length > 0) await mend(folder, checked.whole, onLog);
    return result;
  }
  const pass = await FillPass.begin(folder, checked.whole, wanted, missing, options);
  try {
    await pass.run();
  } finally {
    await pass.end();
  }
  for (const entry of pass.made) entries.set(recordId(entry), entry);
  const { bytes, forecast, passSize } = pass;
  return { ...result, passSize, bytes, seconds: forecast.seconds, forecast: forecast.made };
}

/**
 * Damage without a record that is wanted: what is damaged of the index and the description is written again. While another
 * process writes to the cache it is that one's to mend.
 */
async function mend(
  folder: CacheFolder,
  whole: ReadonlyMap<string, IndexEntry>,
  onLog: (line: string) => void,
): Promise<void> {
  let writer: CacheWriterHandle | undefined;
  try {
    writer = await takeLock(folder);
    if (folder.form) await folder.tidy(folder.form, whole);
  } catch (error) {
    if (!(error instanceof DinoSegError) || error.code !== 'CACHE') throw error;
    onLog(`not repaired: ${error.message}`);
  } finally {
    if (writer) engine().dispose(writer);
  }
}
