/** The pass that makes records: some images at a time go through the network, while the next ones are prepared. */
import { mkdir } from 'node:fs/promises';
import { noAugmentation } from '../data/augment.js';
import type { SegmentationDataset } from '../data/dataset.js';
import type { Pair } from '../data/layout.js';
import { groupsOf, prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { writeError } from '../files.js';
import { BatchRunner } from '../model/pass-size.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { Tensor } from '../model/tensor.js';
import { usableCores } from '../native/cores.js';
import { engine } from '../native/engine.js';
import type {
  CacheWriterHandle,
  HostCopiesHandle,
  RecordPart,
  TensorHandle,
} from '../native/bindings/engine.js';
import type { Shard } from '../shard.js';
import type { CacheFolder } from './cache-folder.js';
import { Forecast, type PassForecast } from './forecast.js';
import { appendIndex, type IndexEntry, type RecordName } from './index-file.js';
import { layoutOf, partDtypes, partNames, type PartDtypes } from './record-form.js';
import { sourceOf } from './source.js';
import { checkSpace, featuresForecast } from './space.js';
import { viewAugmentation } from './views.js';

/** Options of a pass. */
export interface FillOptions {
  /** Loads the network: called only where something is to be made. */
  loadModel: () => Promise<SegmentationModel>;
  /** Splits by name; `train` has the views of the cache's key, the others the unchanged image alone. */
  datasets: Record<string, SegmentationDataset>;
  /** Images prepared ahead of the network, at least those of one pass. */
  prefetch: number;
  /**
   * Images per forward pass. null or absent: the size that the cache was started with; for a new cache 1 on the CPU, else
   * depending on free memory.
   */
  passSize?: number | null;
  /** Makes a part of the records, in a folder of its own. Default: all. */
  shard?: Shard | undefined;
  /** A file of records is closed at this size. Default 1 GiB. */
  fileBytes?: number;
  /** Stops after the current images; a later pass continues with the next ones. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: FillProgress) => void) | undefined;
  /** Called once with the forecast, after the first few images. */
  onForecast?: ((forecast: PassForecast) => void) | undefined;
  /** Called with log lines: damage that is made again, and passes that become smaller. */
  onLog?: ((line: string) => void) | undefined;
}

/** How far a pass is. */
export interface FillProgress {
  phase: 'check' | 'fill';
  done: number;
  total: number;
}

const defaultFileBytes = 2 ** 30;
const syncMilliseconds = 5000;

/** A record that a cache should hold. */
export interface Wanted extends RecordName {
  dataset: SegmentationDataset;
  index: number;
  pair: Pair;
}

/** Images of some records B×3×H×W and their labels B×H×W (on the CPU). */
interface Prepared extends Disposable {
  records: readonly Wanted[];
  images: Tensor;
  labels: Tensor;
  /** Of the pairs of missing records. */
  sources: ReadonlyMap<Pair, IndexEntry['source']>;
}

/** A record that the network has made, B = 1: arrays by the names of the layout's parts, freed by whoever writes it. */
interface MadeRecord {
  record: Wanted;
  source: IndexEntry['source'];
  parts: Record<string, Tensor>;
}

/** What a pass of the network makes. Its copies are under way to the host. */
interface Made {
  records: readonly MadeRecord[];
  copies: HostCopiesHandle;
}

/**
 * Makes what is missing of a list of records.
 *
 * A record's last bits depend on the images that go through the network with its own. These are given by its place in the
 * list: the group of `passSize` records that it falls into. Where only some of a group are missing all of it goes through
 * the network, and the missing ones are written: they are what they would have been.
 */
export class FillPass {
  readonly made: IndexEntry[] = [];
  bytes = 0;
  readonly forecast: Forecast;
  readonly #runner: BatchRunner;
  #writer: CacheWriterHandle | undefined;
  #file = -1;
  #fileEnd = 0;
  #syncedAt = performance.now();

  private constructor(
    private readonly model: SegmentationModel,
    private readonly folder: CacheFolder,
    private readonly wanted: readonly Wanted[],
    private readonly missing: ReadonlySet<Wanted>,
    private readonly options: FillOptions,
  ) {
    this.forecast = new Forecast(missing.size);
    const { imageSize } = folder.key;
    const passSize = folder.form?.passSize ?? options.passSize;
    this.#runner = BatchRunner.of(model, { width: imageSize, height: imageSize }, { ...options, passSize });
    if (folder.form) this.#keepPassSize();
  }

  /** Images that go through the network together. */
  get passSize(): number {
    return this.#runner.size;
  }

  get #dtypes(): PartDtypes {
    return partDtypes(this.folder.form, this.folder.key.dtype);
  }

  #keepPassSize(): void {
    this.#runner.keep(
      `All records of the cache in ${this.folder.path} need ${this.passSize} images per forward pass. For fewer images, ` +
        'remove the cache, or choose another folder with --cache.',
    );
  }

  /** Takes the folder's lock, and sweeps what an earlier, stopped pass left behind whole records. */
  static async begin(
    folder: CacheFolder,
    whole: ReadonlyMap<string, IndexEntry>,
    wanted: readonly Wanted[],
    missing: ReadonlySet<Wanted>,
    options: FillOptions,
  ): Promise<FillPass> {
    refuseOtherPassSize(folder, missing.size, options);
    const writer = await takeLock(folder);
    let model: SegmentationModel | undefined;
    try {
      if (writer) await folder.tidy(folder.form!, whole);
      model = await options.loadModel();
      // A network without these outputs says so when it is asked for them.
      const isGiven = model.provides.includes(folder.key.contents);
      const expected = isGiven && featuresForecast(folder, model.width, missing.size);
      if (expected) {
        options.onLog?.(expected.line);
        await checkSpace(folder, expected.bytes);
      }
      const pass = new FillPass(model, folder, wanted, missing, options);
      pass.#writer = writer;
      return pass;
    } catch (error) {
      model?.dispose();
      if (writer) engine().dispose(writer);
      throw error;
    }
  }

  async run(): Promise<void> {
    const { prefetch: images, signal } = this.options;
    const { missing } = this;
    // Halves of such a group are the groups of half the size.
    const { size } = this.#runner;
    const groups = groupsOf(this.wanted, size).filter((group) => group.some((each) => missing.has(each)));
    const ahead = Math.ceil(images / size);
    const concurrency = Math.min(ahead, usableCores());
    const load = (records: Wanted[]) => this.#prepare(records);
    let writing: Promise<void> = Promise.resolve();
    try {
      for await (using prepared of prefetch(groups, load, { ahead, concurrency, signal }))
        for (let first = 0, count = 0; first < prepared.records.length; first += count) {
          signal?.throwIfAborted();
          const made = await this.#runner.run((most) => {
            count = Math.min(most, prepared.records.length - first);
            return this.#make(prepared, first, count);
          });
          this.#keepPassSize();
          await writing;
          writing = this.#write(made);
          writing.catch(() => {});
        }
    } finally {
      await writing;
    }
  }

  async #prepare(records: Wanted[]): Promise<Prepared> {
    const { imageSize, views } = this.folder.key;
    const missing = records.filter((record) => this.missing.has(record));
    const [samples, sources] = await Promise.all([
      ofPairs(records, ({ dataset, index }) => dataset.load(index)),
      ofPairs(missing, ({ pair }) => sourceOf(pair)),
    ]);
    const augmentations = records.map(({ split, name, view }) =>
      split === 'train' ? viewAugmentation(views, name, view) : noAugmentation,
    );
    const options = { width: imageSize, height: imageSize, augmentations };
    const pixels = records.map(({ pair }) => samples.get(pair)!.image);
    const classes = records.map(({ pair }) => samples.get(pair)!.label);
    const { device, normalization } = this.model;
    const images = Tensor.wrap(await engine().prepareImages(pixels, { ...options, device, normalization }));
    const labels = Tensor.wrap(await engine().prepareLabels(classes, { ...options, device: 'cpu' }));
    const dispose = () => {
      images.dispose();
      labels.dispose();
    };
    return { records, images, labels, sources, [Symbol.dispose]: dispose };
  }

  /** Runs the network on some of the images; the missing records of these. Does not wait for a device to be done. */
  async #make(prepared: Prepared, first: number, count: number): Promise<Made> {
    using images = prepared.images.slice(first, count);
    const { outputs, copies } = await this.#copyToHost(await this.#decode(images));
    const records = prepared.records.slice(first, first + count).flatMap((record, i) => {
      if (!this.missing.has(record)) return [];
      const source = prepared.sources.get(record.pair)!;
      const parts: Record<string, Tensor> = {};
      for (const [name, tensor] of Object.entries(outputs)) parts[name] = tensor.slice(i, 1);
      parts['labels'] = prepared.labels.slice(first + i, 1);
      return [{ record, source, parts }];
    });
    for (const tensor of Object.values(outputs)) tensor.dispose();
    return { records, copies };
  }

  /** Arrays of a pass, by the names of a record's parts. */
  async #decode(images: Tensor): Promise<Record<string, Tensor>> {
    const { contents } = this.folder.key;
    if (contents === 'features') return { features: await this.model.features(images) };
    if (contents === 'layer_features') return { features: await this.model.layerFeatures(images) };
    const { queries, masks } = await this.model.decode(images);
    return { queries, masks };
  }

  async #copyToHost(tensors: Record<string, Tensor>) {
    const dtypes = this.#dtypes;
    const { parts, copies } = await engine().copyRecords(handlesOf(tensors), dtypes);
    for (const tensor of Object.values(tensors)) tensor.dispose();
    // In the order of `tensors`, which a record's layout follows.
    const names = partNames(Object.keys(tensors), dtypes);
    const outputs = names.map((name) => [name, Tensor.wrap(parts[name]!)] as const);
    return { outputs: Object.fromEntries(outputs), copies };
  }

  async #write({ records, copies }: Made): Promise<void> {
    const { folder } = this;
    try {
      await engine().copiesDone(copies);
      for (const { record, source, parts } of records) {
        const written = await this.#append(parts, record.dataset.classSet.classes.length);
        const { split, name, view } = record;
        const entry = { split, name, view, file: this.#file, ...written, source };
        await appendIndex(folder.indexPath, folder.id, [entry]);
        this.made.push(entry);
      }
    } finally {
      for (const { parts } of records) for (const part of Object.values(parts)) part.dispose();
    }
    if (performance.now() - this.#syncedAt >= syncMilliseconds) {
      await engine().syncShard(this.#writer!);
      this.#syncedAt = performance.now();
    }
    await this.#tell(records.length);
  }

  /** Reports the progress of `written` more records. */
  async #tell(written: number): Promise<void> {
    const { forecast, missing } = this;
    const before = forecast.done;
    forecast.add(written);
    for (let done = before + 1; done <= forecast.done; done++)
      this.options.onProgress?.({ phase: 'fill', done, total: missing.size });
    if (forecast.isDue) await this.#tellForecast();
  }

  async #append(
    parts: Record<string, Tensor>,
    classes: number,
  ): Promise<{ offset: number; checksum: string; classPixels: number[] }> {
    if (!this.#writer) {
      const form = { layout: layoutOf(parts, this.#dtypes), passSize: this.passSize };
      this.#writer = engine().createCacheWriter(form.layout, this.folder.id, this.folder.file('lock'));
      await this.folder.tidy(form, new Map());
    }
    const { recordBytes } = this.folder;
    const { fileBytes = defaultFileBytes } = this.options;
    if (this.#file < 0) await this.#openLastFile(fileBytes);
    else if (this.#fileEnd + recordBytes > fileBytes) await this.#openFile(this.#file + 1, 0);
    const [written] = await engine().appendRecords(this.#writer, handlesOf(parts), classes);
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
    const bytes = missing.size * (folder.recordBytes + lineBytes);
    const forecast = this.forecast.make(bytes);
    this.options.onForecast?.(forecast);
    await checkSpace(folder, bytes * (1 - this.forecast.done / missing.size));
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

/** What `read` gives for each pair of the records, once a pair: views have it in common. */
async function ofPairs<T>(
  records: readonly Wanted[],
  read: (record: Wanted) => Promise<T>,
): Promise<Map<Pair, T>> {
  const byPair = new Map(records.map((record) => [record.pair, record]));
  const reading = async ([pair, record]: [Pair, Wanted]) => [pair, await read(record)] as const;
  return new Map(await Promise.all([...byPair].map(reading)));
}

/** Refuses to continue a cache with another pass size than that of its records. */
function refuseOtherPassSize({ form, path }: CacheFolder, missing: number, { passSize }: FillOptions): void {
  if (!form || passSize === undefined || passSize === null || passSize === form.passSize) return;
  throw new DinoSegError(
    'CACHE',
    `The cache in ${path} was started with ${form.passSize} images per forward pass, but --pass-size is ${passSize}, and ` +
      `${missing} records are still missing. ` +
      'All records of a cache need the same pass size, since their last bits depend on it. ' +
      'Omit --pass-size to continue, or choose another folder with --cache.',
  );
}

/** The writer, which holds the lock; undefined for a new cache, whose layout follows from the first image. */
export async function takeLock(
  folder: CacheFolder,
  layout: RecordPart[] | null = folder.layout,
): Promise<CacheWriterHandle | undefined> {
  try {
    await mkdir(folder.path, { recursive: true });
  } catch (cause) {
    throw writeError(folder.path, cause);
  }
  return layout ? engine().createCacheWriter(layout, folder.id, folder.file('lock')) : undefined;
}

function handlesOf(tensors: Record<string, Tensor>): Record<string, TensorHandle> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { handle }]) => [name, handle]));
}
