/** Extracts the features of many images into a table, in a run that can be cancelled, killed and resumed. */
import { checkArgument, checkOptions } from '../arguments.js';
import { inOrder } from '../data/in-order.js';
import { pixelBytes, prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import type { ReportOutcome } from '../report/html/attempt.js';
import { whole, type Shard } from '../shard.js';
import { spread } from '../data/preview.js';
import { checkCells } from './carried-kinds.js';
import { writeCoco } from './coco.js';
import { decodingThreads } from './decoding-threads.js';
import { extensionText, type Extension } from './extend-run.js';
import { extractPass, isSameFile, loadImage, stampOf, type LoadedImage } from './extraction-pass.js';
import { extractorKind, type FeatureExtractor } from './extractor.js';
import { tableIdentity, type TableIdentity } from './identity.js';
import { imageListKind, type ImageList } from '../images/images-of-paths.js';
import { IdleTime } from './idle-time.js';
import type { Journal, JournalPass, JournalRow, PassEntry } from './journal.js';
import { openRun } from './open-run.js';
import { Overlays } from './overlays.js';
import { contentOf, type FlagCounts } from './quality-list.js';
import { writeTableReport, type ShownImage } from './table-report.js';
import { passesOf, placesOf } from './passes.js';
import { checkTable, locationOf, rowOf } from './table-form.js';
import { tableOptions, type ExtractTableOptions } from './table-options.js';
import { writeOutputs, type ExtractionFailure, type FeatureMean, type Outcome } from './write-outputs.js';

export type { ExtractTableOptions } from './table-options.js';

/** Result of {@link extractTable}; `report`: the page beside the table. */
export interface ExtractionSummary extends ReportOutcome {
  /** Path of the table. */
  output: string;
  /** Number of rows of the table. */
  rows: number;
  /** Images without a row, in the order of the images: the list of failures. */
  failures: readonly ExtractionFailure[];
  /** What became of the images of the table that was extended; absent if there was nothing to change. */
  extension?: Extension;
  /** Number of images with each quality flag. */
  flagged: FlagCounts;
  /** Number of images without a row for their flags. */
  dropped: number;
  /** Number of images that this run extracted; the others were done before. */
  extracted: number;
  /** Duration of this extraction in seconds. */
  seconds: number;
  /** Images per second; null if no image was left to extract. */
  imagesPerSecond: number | null;
  /** Share (0…1) of that time in which devices waited for image decoding, as a mean over the devices. */
  waitingShare: number | null;
  /** Mean of each feature over the rows. */
  means: readonly FeatureMean[];
}

/** Number of images in a report. */
const shownImages = 8;

/** Maximum time until finished work is safe from a power cut. */
const syncMilliseconds = 5000;

/**
 * Makes a table of features, one row per image in the order of the images, and the files beside it.
 *
 * Images are decoded ahead of the extractor, each pass is appended to a journal, and the files are written at the
 * end. The same call resumes a run that was cancelled or killed; the resulting bytes are the same as without
 * interruption. Images whose file changed are extracted again, and so are those that failed for a reason that may
 * pass (a missing file).
 *
 * @throws DinoSegError TABLE if the output belongs to a run with other settings or images, or is being written;
 *   DISK_FULL, IO (finished work stays); INVALID_ARGUMENT, MANIFEST; what the extractor throws; the signal's
 *   reason. With `strict`, IMAGE, SHAPE, FILE_NOT_FOUND and IO of images.
 */
export async function extractTable(
  extractor: FeatureExtractor,
  images: ImageList,
  options: ExtractTableOptions,
): Promise<ExtractionSummary> {
  checkArgument(extractor, extractorKind, 'extractTable(extractor)');
  checkArgument(images, imageListKind, 'extractTable(images)');
  checkOptions(options, tableOptions, 'extractTable()');
  const { output, shard = whole, visualize = 0, coco, signal, extend = false, onLog } = options;
  const { columns = 'id-first', names = 'plain', dropFlagged = false, csvFormulas } = options;
  const threads = decodingThreads(options.threads);
  signal?.throwIfAborted();
  checkCells(images);
  const { location, why } = locationOf(images);
  const form = { columns, names, location, ...(csvFormulas === 'keep' && { formulas: 'keep' as const }) };
  const identity = tableIdentity(extractor, images, { form, shard, dropFlagged });
  checkTable(output, identity, why);
  if (why !== undefined) onLog?.(`The table gets no geometry: ${why}.`);
  const overlays = new Overlays(output, images.entries, extractor, visualize);
  await using run = await openRun(output, identity, { images, extractor, extend, signal });
  const { journal, extension } = run;
  if (extension) onLog?.(extensionText(extension));
  const extraction = new Extraction(extractor, images, identity, journal, overlays, {
    ...options,
    shard,
    threads,
  });
  try {
    await extraction.make();
  } catch (error) {
    // The error that ended the run is the one to report.
    await journal.sync().catch(() => {});
    throw error;
  }
  await journal.sync();
  const outcomes = extraction.outcomes();
  const written = await writeOutputs(output, identity, outcomes, images.leftOut);
  const { rows, failures, means, flagged, dropped } = written;
  const kept = () => extraction.rows(written.droppedIds);
  if (coco !== undefined) await writeCoco(coco, images.entries, kept);
  const figures = extraction.figures();
  const shown = await extraction.shown(images, shownImages);
  const report = await writeTableReport({ output, ...written, run: { extractor, shown, ...figures } });
  const quality = { flagged: flagged!, dropped: dropped! };
  return {
    output,
    rows,
    failures,
    means,
    ...quality,
    ...(extension && { extension }),
    ...figures,
    ...report,
  };
}

/** A pass whose images are decoded. */
interface LoadedPass {
  pass: number;
  images: readonly LoadedImage[];
}

/** The part of a run between opening the run and writing its files. */
class Extraction {
  readonly #passes: readonly number[];
  #extracted = 0;
  #seconds = 0;
  readonly #idle: IdleTime;
  #syncedAt = performance.now();

  constructor(
    private readonly extractor: FeatureExtractor,
    private readonly images: ImageList,
    private readonly identity: TableIdentity,
    private readonly journal: Journal,
    private readonly overlays: Overlays,
    private readonly options: ExtractTableOptions & { shard: Shard; threads: number },
  ) {
    this.#passes = passesOf(options.shard, images.entries.length, extractor.passSize);
    this.#idle = new IdleTime(extractor.devices?.length ?? 1);
  }

  #placesOf(pass: number): number[] {
    return placesOf(pass, this.images.entries.length, this.extractor.passSize);
  }

  /** Makes all missing passes. */
  async make(): Promise<void> {
    const { journal, options } = this;
    for (const line of journal.damagedLines)
      options.onLog?.(
        `${journal.path}, line ${line}: the checksum does not match; its images are extracted again.`,
      );
    const pending = await this.#pending();
    const total = this.#passes.reduce((sum, pass) => sum + this.#placesOf(pass).length, 0);
    const left = pending.reduce((sum, pass) => sum + this.#placesOf(pass).length, 0);
    if (left < total) options.onLog?.(`${total - left} of ${total} images were already done.`);
    options.onProgress?.(total - left, total);
    const started = performance.now();
    try {
      await this.#extract(pending, (done) => options.onProgress?.(total - left + done, total));
    } finally {
      this.#seconds = (performance.now() - started) / 1000;
    }
  }

  /** Passes that are missing or must be repeated. */
  async #pending(): Promise<number[]> {
    const pending: number[] = [];
    for (const pass of this.#passes) {
      const entry = this.journal.entries.get(pass);
      if (!entry || (await this.#isStale(entry))) pending.push(pass);
      this.options.signal?.throwIfAborted();
    }
    return pending;
  }

  async #isStale({ pass, failures, stamps, digests }: PassEntry): Promise<boolean> {
    const { overlays, options, images } = this;
    if (options.strict && failures.length > 0) return true;
    const places = this.#placesOf(pass);
    const now = await Promise.all(places.map((place) => stampOf(images.entries[place]!.path)));
    const failed = new Map(failures.map(({ place, code }) => [place, code]));
    // Rows of files that are gone since stay: a disk that is not mounted must not undo what was made.
    if (places.some((place, i) => now[i] === null && !failed.has(place))) return false;
    for (const [i, place] of places.entries()) {
      if (now[i] === null) continue;
      const code = failed.get(place);
      const mayPass = code !== undefined && code !== 'IMAGE' && code !== 'SHAPE';
      if (mayPass || (code === undefined && overlays.lacks(place))) return true;
      if (!(await isSameFile(images.entries[place]!.path, now[i]!, stamps[i]!, digests[i]!))) return true;
    }
    return false;
  }

  /** Extracts the passes, several at a time where the extractor can, and appends them to the journal in their order. */
  async #extract(pending: readonly number[], told: (done: number) => void): Promise<void> {
    const { signal } = this.options;
    const { concurrency = 1 } = this.extractor;
    const run = (pass: LoadedPass, either: AbortSignal) => this.#one(pass, either);
    for await (const made of inOrder(this.#loaded(pending), run, { concurrency, signal })) {
      await this.#keep(made);
      this.#tell(made);
      this.#extracted += made.stamps.length;
      told(this.#extracted);
    }
  }

  /** The passes with their decoded images. */
  async *#loaded(pending: readonly number[]): AsyncGenerator<LoadedPass, void, void> {
    const { entries } = this.images;
    const { threads, signal } = this.options;
    const { passSize, concurrency = 1, devices, readTogether = 1 } = this.extractor;
    const reads = threads * readTogether;
    // Devices may become free at the same time; the pass after that is decoded meanwhile.
    const ahead = Math.max(passSize * ((devices?.length ?? concurrency) + 1), reads);
    const places = pending.flatMap((pass) => this.#placesOf(pass));
    const load = (place: number) => loadImage(this.extractor, entries[place]!, place);
    const bytesOf = ({ image }: LoadedImage) => ('data' in image ? pixelBytes(image) : 0);
    const decoded = prefetch(places, load, { ahead, concurrency: reads, signal, bytesOf });
    try {
      for (const pass of pending)
        yield { pass, images: await this.#take(decoded, this.#placesOf(pass).length) };
    } finally {
      await decoded.return();
    }
  }

  async #take(decoded: AsyncGenerator<LoadedImage>, count: number): Promise<LoadedImage[]> {
    using _ = this.#idle.waiting();
    const loaded: LoadedImage[] = [];
    while (loaded.length < count) loaded.push((await decoded.next()).value as LoadedImage);
    return loaded;
  }

  async #one({ pass, images }: LoadedPass, signal: AbortSignal): Promise<JournalPass> {
    const { overlays, extractor } = this;
    using _ = this.#idle.working();
    return await extractPass(extractor, pass, images, { overlays, signal });
  }

  async #keep(made: JournalPass): Promise<void> {
    const { journal } = this;
    const [failure] = made.failures;
    if (this.options.strict && failure)
      throw new DinoSegError(
        failure.code,
        `${failure.message} (image "${this.images.entries[failure.place]!.id}"; --strict ends the run here)`,
      );
    await journal.append(made);
    if (performance.now() - this.#syncedAt < syncMilliseconds) return;
    await journal.sync();
    this.#syncedAt = performance.now();
  }

  #tell({ rows }: JournalPass): void {
    for (const { place, quality } of rows)
      for (const note of quality.notes ?? [])
        this.options.onLog?.(`${this.images.entries[place]!.id}: ${note}`);
  }

  /** The result of each image, in order. */
  async *outcomes(): AsyncGenerator<Outcome> {
    const { entries } = this.images;
    for (const entry of this.#entries()) {
      const rows = new Map((await this.journal.rows(entry)).map((row) => [row.place, row]));
      const failures = new Map(entry.failures.map((failure) => [failure.place, failure]));
      for (const place of this.#placesOf(entry.pass)) {
        const { id, path, view } = entries[place]!;
        const row = rows.get(place);
        const content = contentOf(entry.digests[place - entry.first], view);
        if (row)
          yield {
            row: rowOf(this.identity, entries[place]!, row.values),
            quality: { id, image: path, content, width: row.width, height: row.height, ...row.quality },
          };
        else yield { failure: { place, id, image: path, ...describedFailure(failures.get(place)) } };
      }
    }
  }

  /** Rows in order, without those of some images. */
  async *rows(dropped: ReadonlySet<string>): AsyncGenerator<JournalRow> {
    for (const entry of this.#entries())
      for (const row of await this.journal.rows(entry))
        if (!dropped.has(this.images.entries[row.place]!.id)) yield row;
  }

  /** Some of the images that have a row, spread evenly over them. */
  async shown({ entries }: ImageList, most: number): Promise<ShownImage[]> {
    const places: number[] = [];
    for (const { places: own, failures } of this.#entries()) {
      const failed = new Set(failures.map(({ place }) => place));
      places.push(...own.filter((place) => !failed.has(place)));
    }
    const wanted = new Set(spread(places.length, most).map((i) => places[i]!));
    const found: ShownImage[] = [];
    for (const entry of this.#entries()) {
      if (!entry.places.some((place) => wanted.has(place))) continue;
      for (const { place, values, detections, width, height } of await this.journal.rows(entry)) {
        if (!wanted.has(place)) continue;
        const features = { values, ...(detections && { detections }) };
        found.push({ ...entries[place]!, width, height, features });
      }
    }
    return found;
  }

  *#entries(): Generator<PassEntry> {
    for (const pass of this.#passes) yield this.journal.entries.get(pass)!;
  }

  figures(): Pick<ExtractionSummary, 'extracted' | 'seconds' | 'imagesPerSecond' | 'waitingShare'> {
    const seconds = this.#seconds;
    const extracted = this.#extracted;
    const none = extracted === 0;
    return {
      extracted,
      seconds,
      imagesPerSecond: none ? null : extracted / seconds,
      waitingShare: none ? null : this.#idle.seconds / seconds,
    };
  }
}

function describedFailure(failure: PassEntry['failures'][number] | undefined) {
  if (!failure) throw new DinoSegError('INTERNAL', 'A pass in the journal lacks an image.');
  const { code, message } = failure;
  return { code, message };
}
