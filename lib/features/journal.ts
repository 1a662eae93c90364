/**
 * The finished work of an extraction: one appended line per pass, each with a checksum. If a pass was repeated, its
 * last line counts. Values stay in the file until they are needed.
 */
import { existsSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import * as v from 'valibot';
import { sha256 } from '../cache/key.js';
import { DinoSegError, type ErrorCode } from '../errors.js';
import { atomicWriteFile, byteLines, readError, syncFileData, writeError } from '../files.js';
import type { Detection } from '../model/detections.js';
import { codeSchema, naturalNumber, parsedAs, wholeNumber, type Schema } from '../schema.js';
import type { ImageQuality } from './quality.js';

/** An image with a row. */
export interface JournalRow {
  /** Position in the list of all images. */
  place: number;
  values: readonly number[];
  /** Width in pixels. */
  width: number;
  height: number;
  detections?: readonly Detection[];
  quality: ImageQuality;
}

/** An image without a row. */
export interface JournalFailure {
  place: number;
  code: ErrorCode;
  message: string;
}

/** A pass. */
export interface JournalPass {
  pass: number;
  rows: readonly JournalRow[];
  failures: readonly JournalFailure[];
  /** Of each image's file when it was read: size and times; null where there was none. */
  stamps: readonly (string | null)[];
  /** Absolute path of each image. */
  paths: readonly string[];
  /** SHA-256 of each image's file; null where there was none. */
  digests: readonly (string | null)[];
  /** Number of images that were extracted in one call; 1 if each was extracted by itself, 0 if the pass was run again in another way. */
  together: number;
}

const detectionSchema = v.object({
  ...{ x: v.number(), y: v.number(), width: v.number(), height: v.number() },
  ...{ score: v.number(), label: wholeNumber, name: v.string() },
}) satisfies Schema<Detection>;

const rowSchema = v.object({
  place: wholeNumber,
  values: v.array(v.number()),
  width: naturalNumber,
  height: naturalNumber,
  detections: v.exactOptional(v.array(detectionSchema)),
  quality: v.object({
    transparent: v.number(),
    uniform: v.number(),
    notes: v.exactOptional(v.array(v.string())),
  }),
}) satisfies Schema<JournalRow>;

const passSchema = v.pipe(
  v.object({
    pass: wholeNumber,
    rows: v.array(rowSchema),
    failures: v.array(v.object({ place: wholeNumber, code: codeSchema, message: v.string() })),
    stamps: v.array(v.nullable(v.string())),
    paths: v.array(v.string()),
    digests: v.array(v.nullable(v.string())),
    together: wholeNumber,
  }),
  v.check(({ rows, failures, stamps, paths, digests }) => {
    const images = rows.length + failures.length;
    return images > 0 && [stamps, paths, digests].every(({ length }) => length === images);
  }),
) satisfies Schema<JournalPass>;

/** The part of a pass that is kept in memory. */
export interface PassEntry extends Omit<JournalPass, 'rows'> {
  places: readonly number[];
  /** Place of its first image. */
  first: number;
  offset: number;
  length: number;
}

function checksum(id: string, text: string): string {
  return sha256(`${id}\n${text}`).slice(0, 16);
}

/** A pass as a line of the journal of a table. */
export function journalLine(id: string, pass: JournalPass): Buffer {
  const text = JSON.stringify(pass);
  return Buffer.from(`${text}\t${checksum(id, text)}\n`);
}

function parseLine(id: string, line: string): JournalPass | undefined {
  const tab = line.lastIndexOf('\t');
  const text = line.slice(0, Math.max(0, tab));
  return checksum(id, text) === line.slice(tab + 1) ? parsedAs(passSchema, text) : undefined;
}

/** The journal of a table, open for appending. */
export class Journal {
  readonly entries = new Map<number, PassEntry>();
  /** Lines (from 1) whose checksum does not match, or that are no passes; their passes must be repeated. */
  readonly damagedLines: number[] = [];
  #end = 0;

  private constructor(
    readonly path: string,
    private readonly id: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Reads a journal, or creates it. Anything after its last complete line is cut off.
   *
   * @param id of the table: lines of another table do not match.
   * @throws DinoSegError DISK_FULL, IO
   */
  static async open(path: string, id: string): Promise<Journal> {
    // The folder is synced with it: a later sync of the file alone is enough.
    if (!existsSync(path)) await atomicWriteFile(path, '');
    let file: FileHandle;
    try {
      file = await open(path, 'r+');
    } catch (cause) {
      throw readError(path, cause);
    }
    const journal = new Journal(path, id, file);
    try {
      await journal.#read();
      return journal;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #read(): Promise<void> {
    let number = 0;
    try {
      for await (const line of byteLines(this.path)) {
        number++;
        const pass = parseLine(this.id, line.toString('utf8'));
        if (pass) this.#enter(pass, line.length + 1);
        else this.damagedLines.push(number);
        this.#end += line.length + 1;
      }
    } catch (cause) {
      throw readError(this.path, cause);
    }
    await this.#cut();
  }

  #enter({ rows, ...rest }: JournalPass, length: number): void {
    const places = rows.map(({ place }) => place);
    const first = Math.min(...places, ...rest.failures.map(({ place }) => place));
    this.entries.set(rest.pass, { ...rest, places, first, offset: this.#end, length });
  }

  async #cut(): Promise<void> {
    try {
      await this.file.truncate(this.#end);
    } catch (cause) {
      throw writeError(this.path, cause);
    }
  }

  /** Appends a pass. @throws DinoSegError DISK_FULL, IO; earlier contents stay */
  async append(pass: JournalPass): Promise<void> {
    const line = journalLine(this.id, pass);
    try {
      for (let written = 0; written < line.length;)
        written += (await this.file.write(line, written, line.length - written, this.#end + written))
          .bytesWritten;
    } catch (cause) {
      // Cut now if that can be done, else by the one who opens it next.
      await this.#cut().catch(() => {});
      throw writeError(this.path, cause);
    }
    this.#enter(pass, line.length);
    this.#end += line.length;
  }

  /** Makes all appended passes safe from a power cut. @throws DinoSegError DISK_FULL, IO */
  async sync(): Promise<void> {
    try {
      await syncFileData(this.file);
    } catch (cause) {
      throw writeError(this.path, cause);
    }
  }

  /** Reads the rows of a pass in {@link entries}. @throws DinoSegError TABLE if the file has changed since, IO */
  async rows({ pass, offset, length }: PassEntry): Promise<readonly JournalRow[]> {
    const bytes = Buffer.alloc(length - 1);
    try {
      await this.file.read(bytes, 0, bytes.length, offset);
    } catch (cause) {
      throw readError(this.path, cause);
    }
    const found = parseLine(this.id, bytes.toString('utf8'));
    if (found?.pass === pass) return found.rows;
    throw new DinoSegError(
      'TABLE',
      `${this.path}, byte ${offset}: the checksum no longer matches. Run it again: only this pass is repeated.`,
    );
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
