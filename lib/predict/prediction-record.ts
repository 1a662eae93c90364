/**
 * The side file of a folder of predictions, `predictions.jsonl`: which image each folder is of, and with which settings it was made.
 * Lines are appended; the last one about a folder counts.
 */
import { existsSync, statSync } from 'node:fs';
import { appendFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { DinoSegError } from '../errors.js';
import { byteLines, makeFolderOf, readError, writeError } from '../files.js';
import { parsedAs, type Schema } from '../schema.js';
import { predictionKinds, type PredictionFile } from '../report/prediction-files.js';
import { keyDifferences, sha256 } from '../settings-digest.js';
import { systemPath } from '../system-path.js';

/** What a folder of predictions is made with, as JSON. */
export type PredictionSettings = Readonly<Record<string, unknown>>;

/** A written prediction. */
interface Made {
  /** Name of its folder. */
  folder: string;
  /** Absolute path of the image. */
  image: string;
  /** Size and time of the image's file when it was read. */
  stamp: string | null;
  files: readonly PredictionFile[];
  /** Digest of the settings. */
  settings: string;
}

/** A report, and the images that it is of. */
interface MadeReport {
  report: string;
  images: string;
}

/** Settings, and what predictions call them. */
interface KnownSettings {
  digest: string;
  settings: PredictionSettings;
}

const lineSchema: Schema<Made | MadeReport | KnownSettings> = v.union([
  v.object({ digest: v.string(), settings: v.record(v.string(), v.unknown()) }),
  v.object({ report: v.string(), images: v.string() }),
  v.object({
    ...{ folder: v.string(), image: v.string(), stamp: v.nullable(v.string()), settings: v.string() },
    files: v.array(v.picklist(predictionKinds)),
  }),
]);

/** Size and time of a file; null if there is none. */
export async function stampOfImage(path: string): Promise<string | null> {
  const found = await stat(systemPath(path)).catch(() => undefined);
  return found ? `${found.size} ${found.mtimeMs}` : null;
}

/** Finished predictions of a folder. */
export class PredictionRecord {
  readonly #made = new Map<string, Made>();
  readonly #byImage = new Map<string, string>();
  readonly #reports = new Map<string, string>();
  readonly #settings = new Map<string, PredictionSettings>();
  readonly #path: string;
  readonly #digest: string;
  /** Whether the file ends within a line. */
  #isUnfinished = false;

  private constructor(
    private readonly output: string,
    settings: PredictionSettings,
  ) {
    this.#path = join(output, 'predictions.jsonl');
    this.#digest = sha256(JSON.stringify(settings)).slice(0, 16);
  }

  /** Reads the side file; a folder without one has no predictions. @throws DinoSegError IO */
  static async open(output: string, settings: PredictionSettings): Promise<PredictionRecord> {
    const record = new PredictionRecord(output, settings);
    await record.#read();
    if (!record.#settings.has(record.#digest)) await record.#append({ settings, digest: record.#digest });
    record.#settings.set(record.#digest, settings);
    return record;
  }

  async #read(): Promise<void> {
    if (!existsSync(this.#path)) return;
    try {
      let end = 0;
      for await (const line of byteLines(this.#path)) {
        const value = parsedAs(lineSchema, line.toString('utf8'));
        if (value) this.#enter(value);
        end += line.length + 1;
      }
      // A line that a stopped process did not finish is as good as none: its image is predicted again. The next one must not continue it.
      this.#isUnfinished = (await stat(this.#path)).size > end;
    } catch (cause) {
      throw readError(this.#path, cause);
    }
  }

  #enter(line: Made | MadeReport | KnownSettings): void {
    if ('digest' in line) this.#settings.set(line.digest, line.settings);
    else if ('report' in line) this.#reports.set(line.report, line.images);
    else {
      this.#made.set(line.folder, line);
      this.#byImage.set(line.image, line.folder);
    }
  }

  async #append(line: object): Promise<void> {
    try {
      await makeFolderOf(this.#path);
      await appendFile(this.#path, `${this.#isUnfinished ? '\n' : ''}${JSON.stringify(line)}\n`);
      this.#isUnfinished = false;
    } catch (cause) {
      this.#isUnfinished = true;
      throw writeError(this.#path, cause);
    }
  }

  /** The folder that an image has already. */
  folderOf(image: string): string | undefined {
    return this.#byImage.get(resolve(image));
  }

  /** Folders of other images than these. */
  foldersOfOthers(images: readonly string[]): string[] {
    const own = new Set(images.map((image) => resolve(image)));
    return [...this.#made.values()].filter(({ image }) => !own.has(image)).map(({ folder }) => folder);
  }

  /**
   * Whether an image has a prediction with these files that was made with these settings, of the file as it is now.
   *
   * @throws DinoSegError INVALID_ARGUMENT if it was made with other settings.
   */
  async has(image: string, folder: string, files: readonly PredictionFile[]): Promise<boolean> {
    const made = this.#made.get(folder);
    if (made?.image !== resolve(image) || !existsSync(join(this.output, folder))) return false;
    if (made.settings !== this.#digest) this.#refuse(made);
    return files.every((file) => made.files.includes(file)) && made.stamp === (await stampOfImage(image));
  }

  #refuse({ folder, settings }: Made): never {
    const differences = keyDifferences(this.#settings.get(settings) ?? {}, this.#settings.get(this.#digest)!);
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `${join(this.output, folder)} was made with other settings (${this.#path}):\n  ${differences.join('\n  ')}\n` +
        'Choose another --output, or leave out --skip-existing to predict all images again.',
    );
  }

  /** Notes a prediction that was written. @throws DinoSegError DISK_FULL, IO */
  async add(
    folder: string,
    image: string,
    stamp: string | null,
    files: readonly PredictionFile[],
  ): Promise<void> {
    await this.#append({
      folder,
      image: resolve(image),
      stamp,
      files,
      settings: this.#digest,
    } satisfies Made);
  }

  /**
   * Where a report of these images goes: to `path`, unless a report of others is there, which stays. Then it is `report-2.html`,
   * and so on.
   */
  reportPath(path: string, images: readonly string[]): string {
    const digest = digestOf(images);
    for (let n = 1; ; n++) {
      const each = n === 1 ? path : path.replace(/(\.\w+)?$/, `-${n}$1`);
      const isFile = statSync(each, { throwIfNoEntry: false })?.isFile() ?? false;
      if (!isFile || this.#reports.get(resolve(each)) === digest) return each;
    }
  }

  /** Notes a report that was written. @throws DinoSegError DISK_FULL, IO */
  async addReport(path: string, images: readonly string[]): Promise<void> {
    await this.#append({ report: resolve(path), images: digestOf(images) } satisfies MadeReport);
  }
}

function digestOf(images: readonly string[]): string {
  return sha256(JSON.stringify(images.map((image) => resolve(image)).sort())).slice(0, 16);
}
