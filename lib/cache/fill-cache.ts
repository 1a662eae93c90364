/** The pass that fills a cache: every image goes through the frozen network once. */
import { mkdir, stat, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { noAugmentation } from '../data/augment.js';
import type { SegmentationDataset } from '../data/dataset.js';
import type { Pair } from '../data/layout.js';
import { prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { writeError } from '../files.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { CacheWriterHandle, RecordPart, TensorHandle } from '../native/surface.js';
import { CacheFolder, type Damage } from './cache-folder.js';
import { Forecast, type PassForecast } from './forecast.js';
import { appendIndex, recordId, type IndexEntry, type RecordName } from './index-file.js';
import type { CacheDtype } from './key.js';
import { viewAugmentation, viewCount } from './views.js';

/** What a pass is for and how it is steered. */
export interface FillOptions {
  /** Loads the network: called only where something is to be made. */
  loadModel: () => Promise<SegmentationModel>;
  /** Splits by name; `train` has the views of the cache's key, the others the unchanged image alone. */
  datasets: Record<string, SegmentationDataset>;
  /** Images prepared ahead of the network. */
  prefetch: number;
  /** A file of records is closed at this size. Default 1 GiB. */
  fileBytes?: number;
  /** Stops after the current image; what is there stays, a later pass goes on with the next one. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: FillProgress) => void) | undefined;
  /** Hears, once, what the pass will take, as soon as a few images have told. */
  onForecast?: ((forecast: PassForecast) => void) | undefined;
  /** Lines for people: what is damaged and made again. */
  onLog?: ((line: string) => void) | undefined;
}

/** How far a pass is. */
export interface FillProgress {
  phase: 'check' | 'fill';
  done: number;
  total: number;
}

/** What a pass did. */
export interface FillSummary {
  /** Records that were there and whole. */
  kept: number;
  /** Records that were made. */
  made: number;
  /** What was found damaged and made again. */
  damage: Damage[];
  /** Of the records made. */
  bytes: number;
  /** Of making them. */
  seconds: number;
  /** What was told of it after its first images; null where nothing was to be made. */
  forecast: PassForecast | null;
}

/** {@link FillSummary}, and every record that the cache should hold, by {@link recordId}. */
export interface FillResult extends FillSummary {
  entries: Map<string, IndexEntry>;
}

const defaultFileBytes = 2 ** 30;
const syncMilliseconds = 5000;

interface Wanted extends RecordName {
  dataset: SegmentationDataset;
  index: number;
  pair: Pair;
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
    onLog(`damaged: ${record === null ? '' : `${record}: `}${reason}; made again`);
  const wanted = wantedRecords(folder, options.datasets);
  const missing: Wanted[] = [];
  const entries = new Map<string, IndexEntry>();
  for (const record of wanted) {
    const entry = checked.whole.get(recordId(record));
    if (entry && (await isCurrent(entry, record.pair))) entries.set(recordId(record), entry);
    else missing.push(record);
  }
  const kept = entries.size;
  const result = {
    kept,
    made: missing.length,
    damage: checked.damage,
    bytes: 0,
    seconds: 0,
    forecast: null,
    entries,
  };
  if (missing.length === 0) {
    if (checked.damage.length > 0) await mend(folder, checked.whole, onLog);
    return result;
  }
  const pass = await Pass.begin(folder, checked.whole, missing, options);
  try {
    await pass.run();
  } finally {
    await pass.end();
  }
  for (const entry of pass.made) entries.set(recordId(entry), entry);
  return { ...result, bytes: pass.bytes, seconds: pass.forecast.seconds, forecast: pass.forecast.made };
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
    if (folder.layout) await folder.tidy(folder.layout, whole);
  } catch (error) {
    if (!(error instanceof DinoSegError) || error.code !== 'CACHE') throw error;
    onLog(`not mended: ${error.message}`);
  } finally {
    if (writer) engine().dispose(writer);
  }
}

/** Whether a record was made from the files as they are now. */
async function isCurrent({ source }: IndexEntry, pair: Pair): Promise<boolean> {
  const files = [pair.image, pair.label];
  const stats = await Promise.all(files.map((file) => stat(file)));
  for (const [i, { size, mtimeMs }] of stats.entries()) {
    if (size !== source.sizes[i]) return false;
    if (mtimeMs === source.times[i]) continue;
    if ((await engine().contentDigest(files[i]!)) !== source.digests[i]) return false;
  }
  return true;
}

async function sourceOf(pair: Pair): Promise<IndexEntry['source']> {
  const [image, label] = await Promise.all([stat(pair.image), stat(pair.label)]);
  const digests = await Promise.all([pair.image, pair.label].map((file) => engine().contentDigest(file)));
  return {
    sizes: [image.size, label.size],
    times: [image.mtimeMs, label.mtimeMs],
    digests: [digests[0]!, digests[1]!],
  };
}

/** Arrays of one record, B = 1, on the network's device, and where they come from. */
interface Prepared extends Disposable {
  record: Wanted;
  source: IndexEntry['source'];
  images: Tensor;
  /** Freed by whoever writes the record. */
  labels: TensorHandle;
}

class Pass {
  readonly made: IndexEntry[] = [];
  bytes = 0;
  readonly forecast: Forecast;
  #writer: CacheWriterHandle | undefined;
  #file = -1;
  #fileEnd = 0;
  #syncedAt = performance.now();

  private constructor(
    private readonly model: SegmentationModel,
    private readonly folder: CacheFolder,
    private readonly missing: Wanted[],
    private readonly options: FillOptions,
  ) {
    this.forecast = new Forecast(missing.length);
  }

  /** Takes the folder's lock, and sweeps what an earlier, stopped pass left behind whole records. */
  static async begin(
    folder: CacheFolder,
    whole: ReadonlyMap<string, IndexEntry>,
    missing: Wanted[],
    options: FillOptions,
  ): Promise<Pass> {
    const writer = await takeLock(folder);
    try {
      if (writer) await folder.tidy(folder.layout!, whole);
      const pass = new Pass(await options.loadModel(), folder, missing, options);
      pass.#writer = writer;
      return pass;
    } catch (error) {
      if (writer) engine().dispose(writer);
      throw error;
    }
  }

  async run(): Promise<void> {
    const { prefetch: ahead, signal, onProgress } = this.options;
    const { model } = this;
    const concurrency = Math.min(ahead, availableParallelism());
    const load = (record: Wanted) => this.#prepare(record);
    let writing: Promise<void> = Promise.resolve();
    try {
      for await (using prepared of prefetch(this.missing, load, { ahead, concurrency, signal })) {
        const parts = await this.#decode(model, prepared);
        await writing;
        writing = this.#write(prepared, parts);
        writing.catch(() => {});
        this.forecast.add();
        onProgress?.({ phase: 'fill', done: this.forecast.done, total: this.missing.length });
        if (this.forecast.isDue) {
          await writing;
          await this.#tellForecast();
        }
      }
    } finally {
      await writing;
    }
  }

  async #prepare(record: Wanted): Promise<Prepared> {
    const { dataset, index, split, name, view, pair } = record;
    const { imageSize, views } = this.folder.key;
    const [{ image, label }, source] = await Promise.all([dataset.load(index), sourceOf(pair)]);
    const augmentation = split === 'train' ? viewAugmentation(views, name, view) : noAugmentation;
    const { device } = this.model;
    const options = { width: imageSize, height: imageSize, augmentations: [augmentation] };
    const images = Tensor.wrap(await engine().prepareImages([image], { ...options, device }));
    const labels = await engine().prepareLabels([label], { ...options, device: 'cpu' });
    return { record, source, images, labels, [Symbol.dispose]: () => images.dispose() };
  }

  /** The network's outputs by the names of the layout's parts. */
  async #decode(
    model: SegmentationModel,
    { images, labels }: Prepared,
  ): Promise<Record<string, TensorHandle>> {
    if (this.folder.key.contents === 'features')
      return { features: await engine().features(model.handle, images.handle), labels };
    const { queries, masks } = await engine().decode(model.handle, images.handle);
    return { queries, masks, labels };
  }

  async #write({ record, source }: Prepared, parts: Record<string, TensorHandle>): Promise<void> {
    const { folder } = this;
    try {
      const written = await this.#append(parts, record.dataset.classSet.classes.length);
      const { split, name, view } = record;
      const entry = { split, name, view, file: this.#file, ...written, source };
      await appendIndex(folder.indexPath, folder.id, [entry]);
      this.made.push(entry);
    } finally {
      for (const part of Object.values(parts)) engine().dispose(part);
    }
    if (performance.now() - this.#syncedAt < syncMilliseconds) return;
    await engine().syncShard(this.#writer!);
    this.#syncedAt = performance.now();
  }

  async #append(
    parts: Record<string, TensorHandle>,
    classes: number,
  ): Promise<{ offset: number; checksum: string; classPixels: number[] }> {
    if (!this.#writer) {
      const layout = layoutOf(parts, this.folder.key.dtype);
      const writer = engine().createCacheWriter(layout, this.folder.id, this.folder.file('lock'));
      this.#writer = writer;
      await this.folder.tidy(layout, new Map());
    }
    const { recordBytes } = this.folder;
    const { fileBytes = defaultFileBytes } = this.options;
    if (this.#file < 0) await this.#openLastFile(fileBytes);
    else if (this.#fileEnd + recordBytes > fileBytes) await this.#openFile(this.#file + 1, 0);
    const [written] = await engine().appendRecords(this.#writer, parts, classes);
    this.#fileEnd = written!.offset + recordBytes;
    this.bytes += recordBytes;
    return written!;
  }

  /** Goes on with the last file where that has room; else begins a new one. */
  async #openLastFile(fileBytes: number): Promise<void> {
    const { ends, recordBytes } = this.folder;
    const last = Math.max(-1, ...ends.keys());
    const end = ends.get(last);
    if (end !== undefined && end + recordBytes <= fileBytes) await this.#openFile(last, end);
    else await this.#openFile(last + 1, 0);
  }

  async #openFile(number: number, end: number): Promise<void> {
    this.#file = number;
    this.#fileEnd = end;
    await engine().openShard(this.#writer!, this.folder.recordFile(number), end);
  }

  /** Size and time of the whole pass; refuses it where the disk has no room. */
  async #tellForecast(): Promise<void> {
    const { folder, missing, made } = this;
    const lineBytes = Math.max(...made.map((entry) => JSON.stringify(entry).length + 18));
    const bytes = missing.length * (folder.recordBytes + lineBytes);
    const forecast = this.forecast.make(bytes);
    this.options.onForecast?.(forecast);
    const { bavail, bsize } = await statfs(folder.path);
    const remaining = bytes * (1 - this.forecast.done / missing.length);
    if (remaining <= bavail * bsize) return;
    throw new DinoSegError(
      'DISK_FULL',
      `The cache in ${folder.path} needs another ${gigabytes(remaining)}; ${gigabytes(bavail * bsize)} are free. ` +
        'Free some space, give another folder by --cache, or store less (--cache-dtype uint8, fewer --views).',
    );
  }

  async end(): Promise<void> {
    this.model.dispose();
    if (!this.#writer) return;
    try {
      await engine().syncShard(this.#writer);
    } finally {
      engine().dispose(this.#writer);
    }
  }
}

/** Undefined for a new cache, whose layout the first image tells. */
async function takeLock(folder: CacheFolder): Promise<CacheWriterHandle | undefined> {
  try {
    await mkdir(folder.path, { recursive: true });
  } catch (cause) {
    throw writeError(folder.path, cause);
  }
  return folder.layout
    ? engine().createCacheWriter(folder.layout, folder.id, folder.file('lock'))
    : undefined;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

function layoutOf(parts: Record<string, TensorHandle>, dtype: CacheDtype): RecordPart[] {
  const float = dtype === 'float32' ? 'float32' : 'bfloat16';
  const dtypes: Record<string, RecordPart['dtype']> = {
    queries: float,
    masks: dtype,
    features: float,
    labels: 'uint8',
  };
  return Object.entries(parts).map(([name, handle]) => ({
    name,
    shape: engine().tensorInfo(handle).shape.slice(1),
    dtype: dtypes[name]!,
  }));
}
