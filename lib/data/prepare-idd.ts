/** Makes label images from a whole folder of IDD's polygons, in parallel and resumable. */
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  callback,
  checkArgument,
  checkOptions,
  flag,
  number,
  oneOf,
  signal as signalKind,
  text,
  type OptionKinds,
} from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile } from '../files.js';
import { filesBelow } from '../images/files-below.js';
import { usableCores } from '../native/cores.js';
import { AnnotationReaders } from './annotation-readers.js';
import { checkedMaxPixels, decodingRoom } from './budget.js';
import { unknownLabels, type UnknownLabels } from './class-set.js';
import { encodeLabelFile } from './label-file.js';
import { labelEnding } from './layout.js';
import { ObjectTally, type ObjectCounts } from './object-counts.js';
import { drawnBytes, drawPolygons, type Annotation } from './polygons.js';

/** Options of {@link prepareIdd}. */
export interface PrepareIddOptions {
  /** Output folder for the label images, in the same sub-folders. Default: beside their polygons. */
  out?: string | undefined;
  /** Number of annotations processed at a time. Default: four times the number of cores. */
  jobs?: number | undefined;
  /** Whether to remake all label images, including those made by other means. Default false. */
  force?: boolean | undefined;
  /** Whether to stop at the first annotation that cannot be read. Default false: the others are processed. */
  strict?: boolean | undefined;
  /**
   * How to treat objects with labels that IDD does not have: `ignore` (default) draws pixels without a class and counts
   * the objects, `refuse` reports a fault.
   */
  unknown?: UnknownLabels | undefined;
  /** Maximum number of pixels of a label image; annotations that declare more are faults. Default 268,402,689 (0x3FFF²). */
  maxPixels?: number | undefined;
  /** Cancels. Annotations in progress are either dropped or written completely. */
  signal?: AbortSignal | undefined;
  /** Called with the number of annotations done and the total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

const prepareOptions: OptionKinds<PrepareIddOptions> = {
  out: text,
  jobs: number,
  force: flag,
  strict: flag,
  unknown: oneOf(unknownLabels),
  maxPixels: number,
  signal: signalKind,
  onProgress: callback(),
};

/** An annotation that could not be made into a label image. */
export interface PrepareFault {
  /** The annotation. */
  path: string;
  /** Code of the error. */
  code: string;
  /** Message of the error. */
  message: string;
}

/** Result of {@link prepareIdd}. Odd objects are those of the label images that the call made. */
export interface PrepareIddSummary extends ObjectCounts {
  /** Number of annotations found. */
  annotations: number;
  /** Number of label images made. */
  written: number;
  /** Number of existing label images that were made from the same annotation. */
  upToDate: number;
  /** Label images made by other means, which were left unchanged. */
  kept: string[];
  /** Annotations that failed, by path. */
  faults: PrepareFault[];
  /** Duration of the whole call in seconds. */
  seconds: number;
  /** Label images made per second; null if none was made. */
  annotationsPerSecond: number | null;
}

type Outcome = 'written' | 'upToDate' | 'kept' | PrepareFault;

const polygonsEnding = labelEnding('polygons');
const imageEnding = labelEnding('labellevel3Ids');
/** While files are synced, processors work on others. */
const jobsOfACore = 4;
/** For fewer annotations a thread of its own is not worth its start. */
const leastFiles = 16;

/**
 * Removes temporary files of a killed process. One that is younger than a minute may belong to another process that
 * is still running; a write takes milliseconds.
 */
async function removeLeftovers(folder: string): Promise<void> {
  const leftover = new RegExp(`^\\..+${imageEnding.replace('.', '\\.')}\\.[0-9a-f]{12}\\.tmp$`);
  const names = (await readdir(folder).catch(() => [])).filter((name) => leftover.test(name));
  for (const path of names.map((name) => join(folder, name))) {
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > 60_000) await rm(path, { force: true });
  }
}

/** One pass over a folder. */
class Preparation {
  readonly objects = new ObjectTally();

  constructor(
    private readonly options: PrepareIddOptions,
    private readonly readers: AnnotationReaders,
  ) {}

  /** @throws what is no fault of the annotation: the signal's reason, DISK_FULL, IO */
  async one(source: string, target: string): Promise<Outcome> {
    const { force = false, unknown = 'ignore', maxPixels, signal } = this.options;
    const read = await this.readers.read({ source, target, force, unknown, maxPixels });
    signal?.throwIfAborted();
    if (read === 'kept' || read === 'upToDate') return read;
    if ('code' in read) return { path: source, ...read };
    const { annotation, note } = read;
    const bytes = drawnBytes * annotation.width * annotation.height;
    await decodingRoom.during(bytes, () => this.#write(annotation, note, target), signal);
    this.objects.add(source, annotation);
    return 'written';
  }

  async #write(annotation: Annotation, note: string, target: string): Promise<void> {
    const { signal } = this.options;
    const { width, height } = annotation;
    const rows = await drawPolygons(annotation, { margin: 1, signal });
    const encoded = await encodeLabelFile({ rows, width, height }, note);
    signal?.throwIfAborted();
    await atomicWriteFile(target, encoded);
  }
}

function checkedJobs(jobs: number | undefined): number {
  if (jobs === undefined) return jobsOfACore * usableCores();
  if (Number.isInteger(jobs) && jobs >= 1) return jobs;
  throw new DinoSegError('INVALID_ARGUMENT', `jobs should be a whole number from 1, not ${jobs}.`);
}

async function annotationsBelow(folder: string): Promise<string[]> {
  const names = await filesBelow(folder, (name) => name.endsWith(polygonsEnding));
  if (names.length > 0) return names;
  throw new DinoSegError(
    'DATASET',
    `The folder ${folder} and its sub-folders contain no *${polygonsEnding}. Give the folder of IDD's data set, which contains gtFine.`,
  );
}

/**
 * Makes `<frame>_gtFine_labellevel3Ids.png` from every `<frame>_gtFine_polygons.json` in a folder and its
 * sub-folders.
 *
 * Each file is written atomically, so a call may be cancelled or killed and repeated. A label image stores the
 * SHA-256 of its annotation: it is up to date as long as that matches, whatever the files' times. A damaged one is
 * remade. Label images made by other means are kept unless `force` is given.
 *
 * @param folder IDD's data set, its gtFine, or any part of it.
 * @throws DinoSegError DATASET if there is no annotation, or with `strict` for the first faulty one; DISK_FULL, IO
 *   if writing fails; INVALID_ARGUMENT; the signal's reason.
 */
export async function prepareIdd(
  folder: string,
  options: PrepareIddOptions = {},
): Promise<PrepareIddSummary> {
  checkArgument(folder, text, 'prepareIdd(folder)');
  checkOptions(options, prepareOptions, 'prepareIdd()');
  const { out = folder, strict, signal, onProgress } = options;
  const jobs = checkedJobs(options.jobs);
  checkedMaxPixels(options.maxPixels);
  const started = performance.now();
  const names = await annotationsBelow(folder);
  const targetOf = (name: string) => join(out, name.slice(0, -polygonsEnding.length) + imageEnding);
  for (const below of new Set(names.map((name) => dirname(targetOf(name))))) await removeLeftovers(below);
  const summary = { written: 0, upToDate: 0 };
  const kept: string[] = [];
  const faults: PrepareFault[] = [];
  let failure: { error: unknown } | undefined;
  let done = 0;

  function record(outcome: Outcome, target: string): void {
    if (outcome === 'kept') kept.push(target);
    else if (typeof outcome === 'string') summary[outcome]++;
    else if (strict) throw new DinoSegError('DATASET', `Stopped at the first fault. ${outcome.message}`);
    else faults.push(outcome);
    onProgress?.(++done, names.length);
  }

  const readers = new AnnotationReaders(Math.min(usableCores(), jobs, Math.floor(names.length / leastFiles)));
  const preparation = new Preparation(options, readers);
  const queue = names.values();
  async function work(): Promise<void> {
    for (const name of queue) {
      if (failure !== undefined || signal?.aborted) return;
      try {
        record(await preparation.one(join(folder, name), targetOf(name)), targetOf(name));
      } catch (error) {
        failure ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: jobs }, work));
  await readers.close();
  signal?.throwIfAborted();
  if (failure !== undefined) throw (failure as { error: unknown }).error;
  const seconds = (performance.now() - started) / 1000;
  return {
    annotations: names.length,
    ...summary,
    kept: kept.sort(),
    faults: faults.sort((a, b) => (a.path < b.path ? -1 : 1)),
    ...preparation.objects.counts(),
    seconds,
    annotationsPerSecond: summary.written > 0 ? summary.written / seconds : null,
  };
}
