/** The pass that makes records: some images at a time go through the network, while the next ones are prepared. */
import type { SegmentationDataset } from '../data/dataset.js';
import { groupsOf, prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { makeFolder, writeError } from '../files.js';
import { inOrderOver } from '../model/in-order-over.js';
import { aheadOf } from '../model/load-batch.js';
import { BatchRunner } from '../model/pass-size.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { engine } from '../native/engine.js';
import type { CacheWriterHandle, RecordPart } from '../native/bindings/engine.js';
import type { Shard } from '../shard.js';
import type { CacheFolder } from './cache-folder.js';
import { Forecast, type PassForecast } from './forecast.js';
import type { IndexEntry } from './index-file.js';
import { layoutOf, partDtypes, type PartDtypes } from './record-form.js';
import { disposeOf, RecordMaker, type MadeRecord, type Wanted } from './record-maker.js';
import { RecordWriter } from './record-writer.js';
import { checkSpace, featuresForecast } from './space.js';

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

function fileBytesOf({ fileBytes = 2 ** 30 }: FillOptions): number {
  return fileBytes;
}

/**
 * Makes what is missing of a list of records.
 *
 * A record's last bits depend on the images that go through the network with its own. These are given by its place in the
 * list: the group of `passSize` records that it falls into. Where only some of a group are missing all of it goes through
 * the network, and the missing ones are written: they are what they would have been. Groups go to whichever of the network's
 * devices is free, and are written in the order of the list.
 */
export class FillPass {
  readonly made: IndexEntry[] = [];
  bytes = 0;
  readonly forecast: Forecast;
  readonly #runner: BatchRunner;
  #writer: RecordWriter | undefined;

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
    const lock = await takeLock(folder);
    let model: SegmentationModel | undefined;
    try {
      if (lock) await folder.tidy(folder.form!, whole);
      model = await options.loadModel();
      // A network without these outputs says so when it is asked for them.
      const isGiven = model.provides.includes(folder.key.contents);
      const expected = isGiven && featuresForecast(folder, model.width, missing.size);
      if (expected) {
        options.onLog?.(expected.line);
        await checkSpace(folder, expected.bytes);
      }
      const pass = new FillPass(model, folder, wanted, missing, options);
      pass.#writer = lock && new RecordWriter(folder, lock, fileBytesOf(options));
      return pass;
    } catch (error) {
      model?.dispose();
      if (lock) engine().dispose(lock);
      throw error;
    }
  }

  async run(): Promise<void> {
    const { prefetch: images, signal } = this.options;
    const { missing, folder, model } = this;
    // Halves of such a group are the groups of half the size.
    const { size } = this.#runner;
    const groups = groupsOf(this.wanted, size).filter((group) => group.some((each) => missing.has(each)));
    const maker = new RecordMaker(model, folder.key, () => this.#dtypes, missing, this.#runner);
    const ahead = aheadOf(images, size, model.devices.length);
    const load = (records: Wanted[]) => maker.load(records);
    if (this.#runner.mayHalve && !folder.form) {
      await maker.tryOut(await load(groups[0]!));
      this.#keepPassSize();
    }
    const loaded = prefetch(groups, load, { ...ahead, signal });
    const make = maker.make.bind(maker);
    for await (const made of inOrderOver(model.pool, loaded, make, signal)) {
      await this.#write(made);
      this.#keepPassSize();
    }
  }

  async #write(records: readonly MadeRecord[]): Promise<void> {
    try {
      this.#writer ??= await this.#beginCache(records[0]!);
      this.made.push(...(await this.#writer.append(records)));
    } finally {
      disposeOf(records);
    }
    this.bytes += records.length * this.folder.recordBytes;
    await this.#tell(records.length);
  }

  /** The writer of a new cache, whose form follows from the first record. */
  async #beginCache({ pass }: MadeRecord): Promise<RecordWriter> {
    const { folder } = this;
    const form = { layout: layoutOf(pass.parts, this.#dtypes), passSize: this.passSize };
    const lock = (await takeLock(folder, form.layout))!;
    try {
      await folder.tidy(form, new Map());
    } catch (error) {
      engine().dispose(lock);
      throw error;
    }
    return new RecordWriter(folder, lock, fileBytesOf(this.options));
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

  /** Size and time of the whole pass; refuses it where the disk has no room. */
  async #tellForecast(): Promise<void> {
    const { folder, missing, made } = this;
    const lineBytes = Math.max(...made.map((entry) => JSON.stringify(entry).length + 18));
    const bytes = missing.size * (folder.recordBytes + lineBytes);
    const forecast = this.forecast.make(bytes);
    this.options.onForecast?.(forecast);
    await checkSpace(folder, bytes * (1 - this.forecast.done / missing.size));
  }

  /** @throws DinoSegError DISK_FULL, IO: what was written may not survive a power cut. */
  async end(): Promise<void> {
    this.model.dispose();
    await this.#writer?.end();
  }
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
    await makeFolder(folder.path);
  } catch (cause) {
    throw writeError(folder.path, cause);
  }
  return layout ? engine().createCacheWriter(layout, folder.id, folder.file('lock')) : undefined;
}
