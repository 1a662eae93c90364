/** Writes records to a cache's files and names them in its index; has the disk keep them meanwhile. */
import { engine } from '../native/engine.js';
import type { CacheWriterHandle } from '../native/bindings/engine.js';
import type { CacheFolder } from './cache-folder.js';
import { appendIndex, type IndexEntry } from './index-file.js';
import { batchesOf, type MadeRecord } from './record-maker.js';

/** Maximum time until what is written is being synced. */
const syncMilliseconds = 5000;

/** Appends records behind those of a tidy folder. One call at a time. */
export class RecordWriter {
  #file = -1;
  #fileEnd = 0;
  #syncedAt = performance.now();
  /** Syncs under way. They never reject: their error is thrown by the next call. */
  readonly #syncs = new Set<Promise<void>>();
  #syncError: { error: unknown } | undefined;

  /**
   * @param handle holds the folder's lock; {@link end} disposes of it.
   * @param fileBytes a file of records is closed at this size.
   */
  constructor(
    private readonly folder: CacheFolder,
    private readonly handle: CacheWriterHandle,
    private readonly fileBytes: number,
  ) {}

  /**
   * Appends records, as many at a time as the file has room for, and then their lines of the index.
   *
   * @returns the lines, in the order of the records.
   * @throws DinoSegError DISK_FULL, IO, LABEL_VALUE; what is named in the index is whole. Also for an earlier sync.
   */
  async append(records: readonly MadeRecord[]): Promise<IndexEntry[]> {
    const { indexPath, id } = this.folder;
    const entries: IndexEntry[] = [];
    for (let first = 0; first < records.length;) {
      const some = records.slice(first, first + (await this.#room()));
      const written = await this.#appendToFile(some);
      await appendIndex(indexPath, id, written);
      entries.push(...written);
      first += some.length;
    }
    this.#throwSyncError();
    const isDue = performance.now() - this.#syncedAt >= syncMilliseconds;
    if (isDue && this.#syncs.size === 0) this.#beginSync();
    return entries;
  }

  async #appendToFile(records: readonly MadeRecord[]): Promise<IndexEntry[]> {
    const { recordBytes } = this.folder;
    const classes = records[0]!.record.dataset.classSet.classes.length;
    const written = await engine().appendRecords(this.handle, batchesOf(records), classes);
    this.#fileEnd += records.length * recordBytes;
    return written.map((place, i) => {
      const { record, source } = records[i]!;
      const { split, name, view } = record;
      return { split, name, view, file: this.#file, ...place, source };
    });
  }

  /** Records that the file has room for; another file is begun where it has none. */
  async #room(): Promise<number> {
    const { ends, recordBytes } = this.folder;
    const roomBehind = (end: number) => Math.floor((this.fileBytes - end) / recordBytes);
    if (this.#file < 0) {
      const last = Math.max(-1, ...ends.keys());
      const end = ends.get(last);
      if (end !== undefined && roomBehind(end) > 0) await this.#open(last, end);
      else await this.#open(last + 1, 0);
    } else if (roomBehind(this.#fileEnd) < 1) {
      this.#beginSync();
      await this.#open(this.#file + 1, 0);
    }
    // A file has one record at least, however small it is to be.
    return Math.max(1, roomBehind(this.#fileEnd));
  }

  async #open(number: number, end: number): Promise<void> {
    this.#file = number;
    this.#fileEnd = await engine().openShard(this.handle, this.folder.recordFile(number), end);
  }

  /** Syncs the open file while the pass goes on. */
  #beginSync(): void {
    this.#syncedAt = performance.now();
    const sync = engine()
      .syncShard(this.handle)
      .catch((error: unknown) => void (this.#syncError ??= { error }))
      .finally(() => this.#syncs.delete(sync));
    this.#syncs.add(sync);
  }

  #throwSyncError(): void {
    if (this.#syncError) throw this.#syncError.error;
  }

  /** Waits until all that was written survives a power cut, and gives the lock back. @throws DinoSegError DISK_FULL, IO */
  async end(): Promise<void> {
    try {
      await Promise.all(this.#syncs);
      this.#throwSyncError();
      await engine().syncShard(this.handle);
    } finally {
      engine().dispose(this.handle);
    }
  }
}
