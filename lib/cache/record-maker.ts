/** Makes the records of a cache from images: decoded, prepared, through the network, copied to the host. */
import { noAugmentation } from '../data/augment.js';
import type { Sample, SegmentationDataset } from '../data/dataset.js';
import type { Pair } from '../data/layout.js';
import type { Pass } from '../model/in-order-over.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import type { BatchRunner } from '../model/pass-size.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { RecordBatch, TensorHandle } from '../native/bindings/engine.js';
import type { IndexEntry, RecordName } from './index-file.js';
import type { CacheKey } from './key.js';
import { partNames, type PartDtypes } from './record-form.js';
import { sourceOf } from './source.js';
import { viewAugmentation } from './views.js';

/** A record that a cache should hold. */
export interface Wanted extends RecordName {
  dataset: SegmentationDataset;
  index: number;
  pair: Pair;
}

/** Records and what they are made of, decoded. */
interface Loaded {
  records: readonly Wanted[];
  samples: ReadonlyMap<Pair, Sample>;
  /** Of the pairs of missing records. */
  sources: ReadonlyMap<Pair, IndexEntry['source']>;
}

/** Images of some records B×3×H×W and their labels B×H×W (on the CPU). */
interface Prepared extends Disposable {
  records: readonly Wanted[];
  sources: Loaded['sources'];
  images: Tensor;
  labels: Tensor;
}

/** A record that the network has made. */
export interface MadeRecord {
  record: Wanted;
  source: IndexEntry['source'];
  /** That it is an image of. */
  pass: MadePass;
  /** Place in the pass. */
  image: number;
}

/** What a pass of the network makes; freed by whoever writes its records. */
export interface MadePass extends Disposable {
  /** Arrays of all images of the pass by the names of the layout's parts. Read them when they are {@link ready}. */
  parts: Record<string, Tensor>;
  /** Ends when the arrays are copied to the host. @throws DinoSegError MODEL_VALUES, with the first image that has such values */
  ready(): Promise<void>;
}

/** Makes the missing ones of groups of records. */
export class RecordMaker {
  /** @param dtypes of the parts, as soon as they are known. */
  constructor(
    private readonly model: SegmentationModel,
    private readonly key: CacheKey,
    private readonly dtypes: () => PartDtypes,
    private readonly missing: ReadonlySet<Wanted>,
    private readonly runner: BatchRunner,
  ) {}

  /** Decodes what a group of records is made of. @throws DinoSegError as SegmentationDataset.load */
  async load(records: readonly Wanted[]): Promise<Loaded> {
    const missing = records.filter((record) => this.missing.has(record));
    const [samples, sources] = await Promise.all([
      ofPairs(records, ({ dataset, index }) => dataset.load(index)),
      ofPairs(missing, ({ pair }) => sourceOf(pair)),
    ]);
    return { records, samples, sources };
  }

  /**
   * The missing records of a group, in as many passes as the size of passes asks for.
   *
   * @throws DinoSegError MODEL_VALUES, OUT_OF_MEMORY, SHAPE; the signal's reason.
   */
  async make(loaded: Loaded, { replica, signal, turn }: Pass<SegmentationModel>): Promise<MadeRecord[]> {
    using prepared = await this.#prepare(loaded, replica);
    const records = await turn(async () => {
      const made: MadeRecord[] = [];
      for (let first = 0, count = 0; first < prepared.records.length; first += count) {
        const pass = await this.runner.run((most) => {
          signal.throwIfAborted();
          count = Math.min(most, prepared.records.length - first);
          return this.#pass(prepared, first, count, replica);
        });
        made.push(...this.#missingOf(prepared, pass, first, count));
      }
      return made;
    });
    try {
      for (const pass of passesOf(records)) await pass.ready();
    } catch (error) {
      disposeOf(records);
      throw error;
    }
    return records;
  }

  /** The missing records among `count` images from `first` on, which a pass was made of. */
  #missingOf({ records, sources }: Prepared, pass: MadePass, first: number, count: number): MadeRecord[] {
    const made = records.slice(first, first + count).flatMap((record, image): MadeRecord[] => {
      if (!this.missing.has(record)) return [];
      return [{ record, source: sources.get(record.pair)!, pass, image }];
    });
    if (made.length === 0) pass[Symbol.dispose]();
    return made;
  }

  /**
   * Runs a pass on every device, before anything is recorded: the size is halved until all of them have room for it.
   *
   * @throws DinoSegError as {@link make}
   */
  async tryOut(loaded: Loaded): Promise<void> {
    const tryOn = async (replica: SegmentationModel) => {
      using prepared = await this.#prepare(loaded, replica);
      await this.runner.run(async (most) => {
        const count = Math.min(most, prepared.records.length);
        using pass = await this.#pass(prepared, 0, count, replica);
        await pass.ready();
      });
    };
    await Promise.all(this.model.replicas.map(tryOn));
  }

  async #prepare({ records, samples, sources }: Loaded, { device }: SegmentationModel): Promise<Prepared> {
    const { imageSize, views } = this.key;
    const augmentations = records.map(({ split, name, view }) =>
      split === 'train' ? viewAugmentation(views, name, view) : noAugmentation,
    );
    const options = { width: imageSize, height: imageSize, augmentations };
    const pixels = records.map(({ pair }) => samples.get(pair)!.image);
    const classes = records.map(({ pair }) => samples.get(pair)!.label);
    const { normalization } = this.model;
    const images = Tensor.wrap(await engine().prepareImages(pixels, { ...options, device, normalization }));
    const labels = Tensor.wrap(await engine().prepareLabels(classes, { ...options, device: 'cpu' }));
    const dispose = () => {
      images.dispose();
      labels.dispose();
    };
    return { records, images, labels, sources, [Symbol.dispose]: dispose };
  }

  /** Runs the network on some of the images. Does not wait for a device to be done. */
  async #pass(
    prepared: Prepared,
    first: number,
    count: number,
    replica: SegmentationModel,
  ): Promise<MadePass> {
    using images = prepared.images.slice(first, count);
    const given = await replica.outputs(images, [{ reads: this.key.contents }]);
    const { outputs, copies } = await this.#copyToHost(tensorsOf(given));
    const parts: Record<string, Tensor> = { ...outputs, labels: prepared.labels.slice(first, count) };
    const names = prepared.records.slice(first, first + count).map(({ pair }) => pair.image);
    const ready = async () => {
      await engine().copiesDone(copies);
      await given.requireFinite(names);
    };
    const dispose = () => {
      for (const part of Object.values(parts)) part.dispose();
      given.dispose();
      engine().dispose(copies);
    };
    return { parts, ready, [Symbol.dispose]: dispose };
  }

  async #copyToHost(tensors: Record<string, Tensor>) {
    const dtypes = this.dtypes();
    const { parts, copies } = await engine().copyRecords(handlesOf(tensors), dtypes);
    for (const tensor of Object.values(tensors)) tensor.dispose();
    // In the order of `tensors`, which a record's layout follows.
    const names = partNames(Object.keys(tensors), dtypes);
    const outputs = names.map((name) => [name, Tensor.wrap(parts[name]!)] as const);
    return { outputs: Object.fromEntries(outputs), copies };
  }
}

/** Arrays of a pass, by the names of a record's parts. */
function tensorsOf({ decoded, features }: NetworkOutputs): Record<string, Tensor> {
  return decoded ? { queries: decoded.queries, masks: decoded.masks } : { features: features! };
}

/** The passes that records come from, in their order. */
function passesOf(records: readonly MadeRecord[]): Set<MadePass> {
  return new Set(records.map(({ pass }) => pass));
}

/** Frees what records hold. */
export function disposeOf(records: readonly MadeRecord[]): void {
  for (const pass of passesOf(records)) pass[Symbol.dispose]();
}

/** Records as the engine takes them. */
export function batchesOf(records: readonly MadeRecord[]): RecordBatch[] {
  return [...passesOf(records)].map((pass) => ({
    parts: handlesOf(pass.parts),
    images: Uint32Array.from(records.filter((record) => record.pass === pass).map(({ image }) => image)),
  }));
}

/** The engine's own handles of tensors. */
function handlesOf(tensors: Record<string, Tensor>): Record<string, TensorHandle> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { handle }]) => [name, handle]));
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
