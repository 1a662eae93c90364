/** TensorBoard event files: events in TFRecord framing. TensorBoard follows them while they grow. */
import { appendFile, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolder, readError, writeError } from '../../files.js';
import { crc32c } from './crc32c.js';
import { startEvent, summaryEvent, versionEvent, type SummaryValue } from './event.js';

const namePattern = /^events\.out\.tfevents\.(\d{10})\./;

/** TFRecord's checksum: records may hold records, whose checksums would weaken the outer one. */
function maskedChecksum(data: Uint8Array): Buffer {
  const value = crc32c(data);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

/** Length, its checksum, data, its checksum. */
export function frameRecord(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

/** The event files of a folder, in the order in which TensorBoard reads them. @throws FILE_NOT_FOUND, IO */
async function eventFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => namePattern.test(name)).sort();
  } catch (cause) {
    throw readError(folder, cause);
  }
}

/** The events of a run from its start or last resumption. */
export class EventFile {
  private constructor(
    readonly path: string,
    /** Whether the folder already had event files. */
    readonly continues: boolean,
  ) {}

  /**
   * Begins a new file, even if the folder has some: TensorBoard never returns to a file that it has read to the end.
   *
   * @param folder created if missing.
   * @param firstStep TensorBoard no longer shows points of earlier files from this step on.
   * @param clock milliseconds since 1970. Default: now.
   * @throws DinoSegError DISK_FULL, IO
   */
  static async begin(folder: string, firstStep: number, clock = Date.now()): Promise<EventFile> {
    try {
      await makeFolder(folder);
    } catch (cause) {
      throw writeError(folder, cause);
    }
    const earlier = await eventFiles(folder);
    const latest = Number(namePattern.exec(earlier.at(-1) ?? '')?.[1] ?? 0);
    // TensorBoard reads files in the order of their names, so the name must be later than all others even if the clock was set back.
    const seconds = Math.max(Math.floor(clock / 1000), latest + 1);
    const host = hostname().replaceAll(/[^\w.-]/g, '_') || 'host';
    const name = `events.out.tfevents.${String(seconds).padStart(10, '0')}.${host}.${process.pid}.0`;
    const file = new EventFile(join(folder, name), earlier.length > 0);
    const time = { step: firstStep, wallTime: clock / 1000 };
    await file.#append([versionEvent({ ...time, step: 0 }), startEvent(time)]);
    return file;
  }

  /**
   * Adds values of one step and syncs the file.
   *
   * @param clock milliseconds since 1970. Default: now.
   * @throws DinoSegError DISK_FULL, IO
   */
  async add(step: number, values: readonly SummaryValue[], clock = Date.now()): Promise<void> {
    await this.#append([summaryEvent({ step, wallTime: clock / 1000 }, values)]);
  }

  async #append(events: readonly Uint8Array[]): Promise<void> {
    try {
      await appendFile(this.path, Buffer.concat(events.map(frameRecord)), { flush: true });
    } catch (cause) {
      throw writeError(this.path, cause);
    }
  }
}
