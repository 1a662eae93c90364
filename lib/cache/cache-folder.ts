/** The folder of a cache: cache.json (what it is), index.jsonl (its records), records-*.bin, lock. */
import { existsSync } from 'node:fs';
import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, readError, readText, writeError } from '../files.js';
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { RecordPart, RecordStoreHandle } from '../native/bindings/engine.js';
import { parsedAs, wholeNumber, type Schema } from '../schema.js';
import { shardSchema, type Shard } from '../shard.js';
import {
  formSchema,
  indexStamp,
  lastOffsetsOf,
  readIndex,
  recordId,
  rewriteIndex,
  type IndexEntry,
  type ReadIndex,
  type RecordForm,
} from './index-file.js';
import { cacheId, keyDifferences, keySchema, sha256, type CacheKey } from './key.js';

/** A damaged part of a cache. */
export interface Damage {
  /** The record, e.g. `train seq/frame view 0`; null if the damage is elsewhere. */
  record: string | null;
  /** The file, the place in it, and what is wrong. */
  reason: string;
}

/** The part of a cache that a folder holds: which of how many, and how many records are in it once it is done. */
export interface CachePart extends Shard {
  readonly records: number;
}

/** What cache.json holds. */
interface Description extends RecordForm {
  key: CacheKey;
  /** Absent for a whole cache. */
  part?: CachePart;
}

const descriptionSchema = v.object({
  key: keySchema,
  ...formSchema.entries,
  part: v.exactOptional(v.intersect([shardSchema, v.object({ records: wholeNumber })])),
}) satisfies Schema<Description>;

const descriptionName = 'cache.json';
const indexName = 'index.jsonl';
const filePattern = /^records-(\d{5,})\.bin$/;

/** How a record is called in messages. */
export function describeRecord({ split, name, view }: IndexEntry): string {
  return `${split} ${name} view ${view}`;
}

/** A cache's folder as it was found: what is whole in it, and what is not. */
export class CacheFolder {
  /** Where the last record of each file ends, once it is tidy. */
  ends: ReadonlyMap<number, number> = new Map();

  private constructor(
    readonly path: string,
    readonly key: CacheKey,
    /** {@link cacheId} of the key. */
    readonly id: string,
    /** What its records have in common; null while there is none. */
    public form: Required<RecordForm> | null,
    /** What was read of the index. */
    readonly index: ReadIndex,
    /** What was found damaged on opening, besides records. */
    readonly damage: Damage[],
    /** null for a whole cache. */
    public part: CachePart | null,
  ) {}

  /**
   * Opens a folder for records of a key; one that is absent or empty is a new cache.
   *
   * @throws DinoSegError CACHE when it holds a cache of another key (naming the differences) or something else; IO.
   */
  static async open(path: string, key: CacheKey): Promise<CacheFolder> {
    const names = await listFolder(path);
    const foreign = names.filter((name) => !isOwn(name));
    if (foreign.length > 0 && !names.includes(descriptionName))
      throw new DinoSegError(
        'CACHE',
        `${path} is not a cache: it contains ${foreign.slice(0, 4).join(', ')}. Choose a new or empty folder with --cache.`,
      );
    const id = cacheId(key);
    const found = names.includes(descriptionName) ? await readDescription(path) : undefined;
    if (found && cacheId(found.key) !== id)
      throw new DinoSegError(
        'CACHE',
        `The cache in ${path} was made with other settings:\n  ` +
          `${keyDifferences(found.key, key).join('\n  ')}\n` +
          'Use the settings it was made with, choose another folder with --cache, or remove this cache with: dinov3-seg cache remove ' +
          path,
      );
    return CacheFolder.#read(path, key, found, names.length > 0);
  }

  /**
   * Opens a cache that is there, whatever its key.
   *
   * @throws DinoSegError CACHE when there is none, or cache.json is damaged; IO.
   */
  static async find(path: string): Promise<CacheFolder> {
    const found = await readDescription(path);
    if (!found)
      throw new DinoSegError(
        'CACHE',
        existsSync(join(path, descriptionName))
          ? `${join(path, descriptionName)} is damaged. To write it again, run \`train\` or \`cache make\` ` +
              'with the settings of the cache.'
          : `There is no cache in ${path}: ${descriptionName} is missing.`,
      );
    return CacheFolder.#read(path, found.key, found, true);
  }

  static async #read(
    path: string,
    key: CacheKey,
    found: Description | undefined,
    exists: boolean,
  ): Promise<CacheFolder> {
    const id = cacheId(key);
    const damage: Damage[] = [];
    // Before the index: a writer names what it has written, so that sizes read now are below what the index names then.
    const sizes = await recordFileSizes(path);
    const index = await readIndex(join(path, indexName), id);
    const recorded = found ?? index.form;
    const form = recorded && { layout: recorded.layout, passSize: recorded.passSize ?? 1 };
    if (form) checkLayout(path, form.layout);
    if (!found && exists && index.wholeBytes > 0) {
      const description = join(path, descriptionName);
      // Lines are bound to their cache: none that fits means another cache, whose records are not ours to drop.
      if (!form && index.entries.size === 0)
        throw new DinoSegError(
          'CACHE',
          `${description} is missing or damaged, and no line of ${join(path, indexName)} belongs to the requested ` +
            'cache. Choose another folder with --cache, or remove this cache.',
        );
      damage.push({ record: null, reason: `${description} is missing or damaged` });
    }
    for (const line of index.damagedLines)
      damage.push({
        record: null,
        reason: `${join(path, indexName)}, line ${line}: the checksum does not match`,
      });
    damage.push(
      ...cutOff(path, index, form?.layout ?? null, sizes).map((reason) => ({ record: null, reason })),
    );
    return new CacheFolder(path, key, id, form, index, damage, found?.part ?? null);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Path of a file of records. */
  recordFile(number: number): string {
    return this.file(recordFileName(number));
  }

  get indexPath(): string {
    return this.file(indexName);
  }

  /** How a record lies in its file; null while there is none. */
  get layout(): RecordPart[] | null {
    return this.form?.layout ?? null;
  }

  /** Bytes of a record. */
  get recordBytes(): number {
    return this.layout ? engine().recordBytes(this.layout) : 0;
  }

  /** Writes cache.json. @throws DinoSegError CACHE when records of another layout are there; DISK_FULL, IO */
  async #describe(form: Required<RecordForm>): Promise<void> {
    const { layout } = form;
    if (this.layout && JSON.stringify(this.layout) !== JSON.stringify(layout))
      throw new DinoSegError(
        'CACHE',
        `The cache in ${this.path} stores ${layoutText(this.layout)} per image, but the network returns ${layoutText(layout)}.`,
      );
    this.form = form;
    const { part } = this;
    const before = await readDescription(this.path);
    if (before && JSON.stringify(before.part ?? null) === JSON.stringify(part)) return;
    const text = JSON.stringify({ key: this.key, ...form, ...(part && { part }) }, null, 2);
    await atomicWriteFile(this.file(descriptionName), `${text}\n${sha256(text)}\n`);
  }

  /**
   * Makes the folder whole: damaged lines and records that are not kept go, and what stopped writes left. Under the
   * writer's lock.
   *
   * @throws DinoSegError CACHE when another process wrote to the cache since it was read; DISK_FULL, IO.
   */
  async tidy(form: Required<RecordForm>, keep: ReadonlyMap<string, IndexEntry>): Promise<void> {
    if ((await indexStamp(this.indexPath)) !== this.index.stamp)
      throw new DinoSegError(
        'CACHE',
        `Another process wrote to the cache in ${this.path} while it was read. Run the command again; finished records are kept.`,
      );
    await this.#describe(form);
    const { damagedLines, entries, wholeBytes, lastOffsets } = this.index;
    const rewritten = !this.index.form || damagedLines.length > 0 || keep.size < entries.size;
    if (rewritten) await rewriteIndex(this.indexPath, this.id, form, keep.values());
    else await this.#cutIndex(wholeBytes);
    await this.#sweep(rewritten ? lastOffsetsOf(keep.values()) : lastOffsets);
  }

  async #cutIndex(size: number): Promise<void> {
    try {
      await truncate(this.indexPath, size);
    } catch (cause) {
      throw writeError(this.indexPath, cause);
    }
  }

  /** Cuts off what stands behind the last records, and removes files without one. */
  async #sweep(lastOffsets: ReadonlyMap<number, number>): Promise<void> {
    const { recordBytes } = this;
    this.ends = new Map([...lastOffsets].map(([file, offset]) => [file, offset + recordBytes]));
    try {
      for (const [number, size] of await recordFileSizes(this.path)) {
        const end = this.ends.get(number);
        if (end === undefined) await rm(this.recordFile(number));
        else if (size > end) await truncate(this.recordFile(number), end);
      }
      for (const name of await listFolder(this.path)) if (name.endsWith('.tmp')) await rm(this.file(name));
    } catch (cause) {
      throw writeError(this.path, cause);
    }
  }

  /** The records of some entries, mapped: see `createRecordStore`. */
  store(entries: readonly IndexEntry[], device: string): RecordStoreHandle {
    if (!this.layout) throw new DinoSegError('CACHE', `The cache in ${this.path} contains no records.`);
    const numbers = [...new Set(entries.map(({ file }) => file))];
    return engine().createRecordStore({
      layout: this.layout,
      cacheId: this.id,
      files: numbers.map((number) => this.recordFile(number)),
      file: Int32Array.from(entries, ({ file }) => numbers.indexOf(file)),
      offset: Float64Array.from(entries, ({ offset }) => offset),
      checksum: BigUint64Array.from(entries, ({ checksum }) => BigInt(`0x${checksum}`)),
      device,
    });
  }

  /**
   * Compares records with their checksums.
   *
   * @returns the entries that are whole, by {@link recordId}, and what is not.
   */
  async verify(options: JobOptions = {}): Promise<{ whole: Map<string, IndexEntry>; damage: Damage[] }> {
    const whole = new Map(this.index.entries);
    const entries = [...whole.values()];
    if (entries.length === 0) return { whole, damage: this.damage };
    if (!this.layout) return { whole: new Map(), damage: this.damage };
    const store = this.store(entries, 'cpu');
    try {
      const found = await runJob(options, (job) => engine().verifyRecords(store, job));
      const damage = found.map(({ record, reason }) => ({
        record: describeRecord(entries[record]!),
        reason,
      }));
      for (const { record } of found) whole.delete(recordId(entries[record]!));
      return { whole, damage: [...this.damage, ...damage] };
    } finally {
      engine().dispose(store);
    }
  }

  /**
   * Removes the cache's files, and the folder where nothing else is in it.
   *
   * @returns how many files of which size, and the names of the other files that were left.
   * @throws DinoSegError IO
   */
  static async remove(path: string): Promise<{ files: number; bytes: number; left: string[] }> {
    await CacheFolder.find(path).catch((error: unknown) => {
      // A damaged description is no reason to keep a cache.
      if (!existsSync(join(path, descriptionName))) throw error;
    });
    try {
      const names = await listFolder(path);
      const own = names.filter(isOwn);
      let bytes = 0;
      for (const name of own) {
        bytes += (await stat(join(path, name))).size;
        await rm(join(path, name));
      }
      const left = names.filter((name) => !isOwn(name));
      if (left.length === 0) await rm(path, { recursive: true });
      return { files: own.length, bytes, left };
    } catch (cause) {
      throw writeError(path, cause);
    }
  }
}

function recordFileName(number: number): string {
  return `records-${String(number).padStart(5, '0')}.bin`;
}

/** Sizes of the files of records that are there, by their numbers. */
async function recordFileSizes(path: string): Promise<Map<number, number>> {
  const sizes = new Map<number, number>();
  for (const name of await listFolder(path)) {
    const number = filePattern.exec(name)?.[1];
    if (number !== undefined) sizes.set(Number(number), (await stat(join(path, name))).size);
  }
  return sizes;
}

/** Where an index ends too early: an incomplete line, and records that none of its lines names. */
function cutOff(
  path: string,
  { cutBytes, lastOffsets }: ReadIndex,
  layout: RecordPart[] | null,
  sizes: ReadonlyMap<number, number>,
): string[] {
  const index = join(path, indexName);
  const why = 'a pass was stopped or is still running, or the file was truncated';
  const found = cutBytes > 0 ? [`${index}: its last line is incomplete (${why})`] : [];
  if (!layout) return found;
  const recordBytes = engine().recordBytes(layout);
  for (const [number, size] of sizes) {
    const last = lastOffsets.get(number);
    const behind = size - (last === undefined ? 0 : last + recordBytes);
    if (behind >= recordBytes)
      found.push(`${index}: does not list the last ${behind} bytes of ${recordFileName(number)} (${why})`);
  }
  return found;
}

/** @throws DinoSegError CACHE where records cannot lie so */
function checkLayout(path: string, layout: RecordPart[]): void {
  try {
    engine().recordBytes(layout);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DinoSegError(
      'CACHE',
      `The cache in ${path} has damaged or unknown records: ${reason}. Remove it with: dinov3-seg cache remove ${path}`,
      { cause },
    );
  }
}

function layoutText(layout: readonly RecordPart[]): string {
  return layout.map(({ name, shape, dtype }) => `${name} ${shape.join('×')} ${dtype}`).join(', ');
}

function isOwn(name: string): boolean {
  return (
    [descriptionName, indexName, 'lock'].includes(name) || filePattern.test(name) || name.endsWith('.tmp')
  );
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (cause) {
    const error = readError(path, cause);
    if (error.code === 'FILE_NOT_FOUND' && !existsSync(path)) return [];
    throw error;
  }
}

/** undefined where cache.json is absent or damaged. */
async function readDescription(path: string): Promise<Description | undefined> {
  const text = await readText(join(path, descriptionName)).catch(() => '');
  const end = text.trimEnd().lastIndexOf('\n');
  const body = text.slice(0, Math.max(0, end));
  if (end < 0 || text !== `${body}\n${sha256(body)}\n`) return undefined;
  return parsedAs(descriptionSchema, body);
}
