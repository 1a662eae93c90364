/** Caches of network outputs, as the engine has them; legend and rules in engine.ts. */
import type {
  CacheWriterHandle,
  HeadsHandle,
  HostCopiesHandle,
  JobHandle,
  RecordStoreHandle,
  TensorHandle,
} from './handles.js';
import type { HeadsEvaluation, StepOptions } from './heads.js';
import type { DType } from './tensor.js';

/**
 * One array of a cache's record: `queries` Q×C, `masks` Q×h×w, `features` C×h×w, `feature_ranges` C×2 (least value and step, of
 * features in uint8) or `labels` H×W.
 */
export interface RecordPart {
  name: string;
  /** Without the batch. */
  shape: number[];
  /** float32 or bfloat16; masks also uint8 (their sigmoid), features also uint8 (steps of their ranges), labels uint8. */
  dtype: DType;
}

/** Where a record went in its file; `checksum`: XXH64 in 16 hexadecimal digits. */
export interface WrittenRecord {
  offset: number;
  checksum: string;
  /** Labelled pixels of each class. */
  classPixels: number[];
}

/** Arrays of a batch of images by the layout's names, and which of the images are records. */
export interface RecordBatch {
  parts: Record<string, TensorHandle>;
  images: Uint32Array;
}

/** Records by their places: `file` an index into `files`, `offset` in it, one of each a record. */
export interface RecordStoreOptions {
  layout: RecordPart[];
  cacheId: string;
  files: string[];
  file: Int32Array;
  offset: Float64Array;
  checksum: BigUint64Array;
  device: string;
}

/** An epoch, or what is left of one. Legend: N heads, S steps. */
export interface TrainingPlan {
  /** Records in the order of training. */
  records: Int32Array;
  batchSize: number;
  /** Batches a step; what is left at the end makes a step of its own. */
  accumulate: number;
  /** S×N. */
  learningRates: Float64Array;
  /** N; their `learningRate` is not used. */
  options: StepOptions[];
  /** N, taken before. */
  steps: number[];
  /** A record each: the head that leaves it out, or −1. */
  folds?: Int32Array;
}

/** What was done of a plan. */
export interface TrainingPlanResult {
  /** All, or up to the step at which the time was over. */
  batches: number;
  /** Batches × N. */
  losses: Float64Array;
  /** Steps × N, before clipping; one that is not finite: the head is lost. */
  norms: Float32Array;
  /** N, taken now. */
  steps: number[];
}

/** The engine's functions on caches. */
export interface CacheEngine {
  /** Bytes of a record. */
  recordBytes(layout: RecordPart[]): number;
  /** Takes the lock: CACHE while another writer has it. */
  createCacheWriter(layout: RecordPart[], cacheId: string, lockPath: string): CacheWriterHandle;
  /** Continues a file of records of which the first `sizeBytes` are valid (0: a new file). Gives where the next one begins. */
  openShard(writer: CacheWriterHandle, path: string, sizeBytes: number): Promise<number>;
  /**
   * Begins to copy a batch's arrays to the CPU, in their parts' dtypes; does not wait for the device. `features` in uint8 become
   * two parts, `feature_ranges` besides. `parts` are to be read after {@link copiesDone} only; they and `copies` are to be
   * disposed of.
   */
  copyRecords(
    parts: Record<string, TensorHandle>,
    dtypes: Record<string, DType>,
  ): Promise<{ parts: Record<string, TensorHandle>; copies: HostCopiesHandle }>;
  copiesDone(copies: HostCopiesHandle): Promise<void>;
  /**
   * Appends the records of some batches, in order, all or none. One call at a time. In a lane of its own, as {@link appendText}.
   */
  appendRecords(writer: CacheWriterHandle, batches: RecordBatch[], classes: number): Promise<WrittenRecord[]>;
  /** Appends text to a file, or makes it. */
  appendText(path: string, text: string): Promise<void>;
  /** What was appended to the open file before the call survives a power cut from here on. The writer may go on meanwhile. */
  syncShard(writer: CacheWriterHandle): Promise<void>;
  /** XXH64 of a file, 16 hexadecimal digits. */
  contentDigest(path: string): Promise<string>;
  /** Maps the records. */
  createRecordStore(options: RecordStoreOptions): RecordStoreHandle;
  /** Compares each record with its checksum; those that do not fit. */
  verifyRecords(store: RecordStoreHandle, job?: JobHandle): Promise<{ record: number; reason: string }[]>;
  /** Copies records to the device and to pinned memory as far as they fit; without a budget, what is free. */
  loadRecords(
    store: RecordStoreHandle,
    budget?: { deviceBytes: number; pinnedBytes: number },
    job?: JobHandle,
  ): Promise<{ onDevice: number; inPinnedMemory: number }>;
  /** Takes steps until the plan is done or `seconds` are over, at least one. */
  trainCached(
    heads: HeadsHandle,
    store: RecordStoreHandle,
    plan: TrainingPlan,
    seconds: number,
  ): Promise<TrainingPlanResult>;
  /** Losses R×N×2 and counts R×N×K×K of R records. */
  evaluateCached(heads: HeadsHandle, store: RecordStoreHandle, records: Int32Array): Promise<HeadsEvaluation>;
}
