/**
 * index.jsonl of a cache: first how records lie in their files and were made, then a line a record, later lines replacing earlier ones.
 * Each line has a checksum of its own.
 */
import { stat } from 'node:fs/promises';
import * as v from 'valibot';
import { atomicWriteFile, mostListBytes, readBytes, readError } from '../files.js';
import { engine } from '../native/engine.js';
import type { RecordPart } from '../native/bindings/engine.js';
import { naturalNumber, parsedAs, wholeNumber, type Schema } from '../schema.js';
import { sha256 } from './key.js';

/** Which version of which image a record holds. */
export interface RecordName {
  split: string;
  /** {@link Pair.name} */
  name: string;
  view: number;
}

/** A record of the index. */
export interface IndexEntry extends RecordName {
  /** Number of its file. */
  file: number;
  /** Where it begins there. */
  offset: number;
  /** Of its bytes, XXH64 in 16 hexadecimal digits. */
  checksum: string;
  /** Image and label file that it was made from: bytes, modification time in milliseconds, XXH64 of the contents. */
  source: { sizes: [number, number]; times: [number, number]; digests: [string, string] };
  /** Labelled pixels of each class. */
  classPixels: number[];
}

/** What all records of a cache have in common. */
export interface RecordForm {
  layout: RecordPart[];
  /** Images that went through the network together; absent in caches of before that was recorded: 1. */
  passSize?: number;
}

const pairOf = <T>(of: v.GenericSchema<unknown, T>) => v.tuple([of, of]);

const entrySchema = v.object({
  ...{ split: v.string(), name: v.string(), view: wholeNumber, file: wholeNumber, offset: wholeNumber },
  checksum: v.pipe(v.string(), v.regex(/^[\da-f]{16}$/)),
  source: v.object({
    sizes: pairOf(v.number()),
    times: pairOf(v.number()),
    digests: pairOf(v.string()),
  }),
  classPixels: v.array(v.number()),
}) satisfies Schema<IndexEntry>;

/** Of the first line, and of a part of cache.json. */
export const formSchema = v.object({
  layout: v.array(
    v.object({
      name: v.string(),
      shape: v.array(naturalNumber),
      dtype: v.picklist(['float32', 'bfloat16', 'uint8']),
    }),
  ),
  passSize: v.exactOptional(naturalNumber),
}) satisfies Schema<RecordForm>;

const lineSchema: Schema<IndexEntry | RecordForm> = v.union([entrySchema, formSchema]);

/** What index.jsonl says. */
export interface ReadIndex {
  /** Of its first line; null where that is absent or damaged. */
  form: RecordForm | null;
  /** By {@link recordId}; the last line of each record. */
  entries: Map<string, IndexEntry>;
  /** Numbers (from 1) of lines that are damaged; an incomplete last line is none. */
  damagedLines: number[];
  /** Bytes of whole lines; what stands behind them is to be cut off. */
  wholeBytes: number;
  /** Bytes of the incomplete last line. */
  cutBytes: number;
  /** Stamp of the file when it was read: another stamp means that someone wrote to it since. */
  stamp: string;
  /** Files that lines name, with the offset of the last record in each. */
  lastOffsets: Map<number, number>;
}

export function recordId({ split, name, view }: RecordName): string {
  return `${split}\n${name}\n${view}`;
}

/** The text of a line; its checksum binds it to the cache. */
function formatLine(cacheId: string, content: IndexEntry | RecordForm): string {
  const text = JSON.stringify(content);
  return `${text}\t${lineChecksum(cacheId, text)}\n`;
}

function lineChecksum(cacheId: string, text: string): string {
  return sha256(`${cacheId}\n${text}`).slice(0, 16);
}

function parseLine(cacheId: string, line: string): IndexEntry | RecordForm | undefined {
  const tab = line.lastIndexOf('\t');
  const text = line.slice(0, Math.max(0, tab));
  if (lineChecksum(cacheId, text) !== line.slice(tab + 1)) return undefined;
  return parsedAs(lineSchema, text);
}

/** A stamp that changes with every write to the index; empty if there is none. */
export async function indexStamp(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (cause) {
    const error = readError(path, cause);
    if (error.code !== 'FILE_NOT_FOUND') throw error;
    return '';
  }
}

/** Reads an index; one that does not exist is empty. */
export async function readIndex(path: string, cacheId: string): Promise<ReadIndex> {
  const stamp = await indexStamp(path);
  let content: Buffer;
  try {
    content = await readBytes(path, mostListBytes, 'CACHE');
  } catch (cause) {
    const error = readError(path, cause);
    if (error.code !== 'FILE_NOT_FOUND') throw error;
    content = Buffer.alloc(0);
  }
  const wholeBytes = content.lastIndexOf('\n') + 1;
  const index: ReadIndex = {
    form: null,
    entries: new Map(),
    damagedLines: [],
    wholeBytes,
    cutBytes: content.length - wholeBytes,
    stamp,
    lastOffsets: new Map(),
  };
  const lines = content.toString('latin1', 0, wholeBytes).split('\n').slice(0, -1);
  for (const [i, latin1] of lines.entries()) {
    // Lines are cut as bytes, so that a damaged one cannot shift the others.
    const entry = parseLine(cacheId, Buffer.from(latin1, 'latin1').toString('utf8'));
    if (entry === undefined) {
      index.damagedLines.push(i + 1);
      continue;
    }
    if ('layout' in entry) {
      index.form = entry;
      continue;
    }
    index.entries.set(recordId(entry), entry);
    raiseOffset(index.lastOffsets, entry);
  }
  return index;
}

function raiseOffset(offsets: Map<number, number>, { file, offset }: IndexEntry): void {
  offsets.set(file, Math.max(offset, offsets.get(file) ?? 0));
}

/** The offset of the last record in each file that entries name. */
export function lastOffsetsOf(entries: Iterable<IndexEntry>): Map<number, number> {
  const offsets = new Map<number, number>();
  for (const entry of entries) raiseOffset(offsets, entry);
  return offsets;
}

/** Appends lines; not on Node's own threads, where images that are decoded would come before them. @throws DinoSegError DISK_FULL, IO */
export async function appendIndex(
  path: string,
  cacheId: string,
  entries: readonly IndexEntry[],
): Promise<void> {
  await engine().appendText(path, entries.map((entry) => formatLine(cacheId, entry)).join(''));
}

/** Writes the index anew, with these entries alone. */
export async function rewriteIndex(
  path: string,
  cacheId: string,
  form: RecordForm,
  entries: Iterable<IndexEntry>,
): Promise<void> {
  const lines = [form, ...entries].map((content) => formatLine(cacheId, content));
  await atomicWriteFile(path, lines.join(''));
}
