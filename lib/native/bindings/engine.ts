/**
 * The engine's typed interface: what cpp/bindings exports, one member a function.
 *
 * Only tagged handles, typed arrays and plain objects cross. A call handles a batch or a step, never an element.
 * Promises are fulfilled by the engine's own threads, never by the libuv pool. Jobs on models and heads run in a lane for
 * each device, and for each replica on a device: that of the first model, head, tensor or placement among the arguments. In
 * a lane they run one at a time, those of one thread (main thread or worker_thread) in the order in which they were asked
 * for; threads take turns. Every rejection is a `DinoSegError`. A `job` as the last argument stops the call and tells how far it is:
 * see job.ts.
 *
 * Legend: B batch, Q queries, C hidden width, K classes, H×W image, h×w mask grid (H/4 × W/4).
 */
import type { CacheEngine } from './cache.js';
import type { ConvertEngine, Inspection } from './convert.js';
import type { DetectorEngine } from './detector.js';
import type {
  CacheWriterHandle,
  DetectorHandle,
  HeadsHandle,
  HostCopiesHandle,
  JobHandle,
  ModelHandle,
  RecordStoreHandle,
  TensorHandle,
  WatchHandle,
} from './handles.js';
import type { HeadsEngine } from './heads.js';
import type { ImageEngine } from './images.js';
import type { InitEngine } from './init.js';
import type { ModelEngine } from './model.js';
import type { OperatorEngine } from './operators.js';
import type { PolygonEngine } from './polygons.js';
import type { SharesEngine } from './shares.js';
import type { TensorEngine } from './tensor.js';

export type * from './cache.js';
export type * from './convert.js';
export type * from './detector.js';
export type * from './handles.js';
export type * from './heads.js';
export type * from './images.js';
export type * from './init.js';
export type * from './model.js';
export type * from './operators.js';
export type * from './polygons.js';
export type * from './shares.js';
export type * from './tensor.js';

export interface EngineInfo {
  /** libtorch's version, such as `2.13.0`. */
  torch: string;
  /** Whether this libtorch was built for CUDA, and whether a CUDA device answers. */
  cudaBuilt: boolean;
  cudaAvailable: boolean;
  /** How many CUDA devices answer: those that the process may see. */
  cudaDevices: number;
  /** Whether fused kernels for CUDA are loaded; libtorch's own operators serve otherwise. */
  cudaKernels: boolean;
  /** Whether NNPACK may be used. On processors that it does not know it prints a warning per thread. */
  nnpack: boolean;
  /** Number of CPU threads per operator. */
  threads: number;
}

export interface DeviceInfo {
  /** `cpu`, `cuda:0`, … */
  name: string;
  description: string;
  totalBytes: number;
  freeBytes: number;
}

/** Memory of a CUDA device. */
export interface MemoryStats {
  /** Bytes in tensors. */
  allocatedBytes: number;
  peakAllocatedBytes: number;
  /** Bytes taken from the device: tensors and what is kept for later ones. */
  reservedBytes: number;
  peakReservedBytes: number;
  /** Times that the allocator gave back all that it kept for later, since a tensor did not fit beside it. That waits for the device. */
  retries: number;
}

/** What the process may take of a device. */
export interface MemoryRoom {
  /** Whatever else is on the device: its size, or the cap less what CUDA itself takes. */
  totalBytes: number;
  /** Now; 0 where it is not known. */
  freeBytes: number;
  /** What CUDA itself takes, at most; 0 for the CPU. */
  contextBytes: number;
}

/** Everything that the engine exports. */
export interface Engine
  extends
    TensorEngine,
    ImageEngine,
    ModelEngine,
    HeadsEngine,
    CacheEngine,
    ConvertEngine,
    DetectorEngine,
    InitEngine,
    OperatorEngine,
    PolygonEngine,
    SharesEngine {
  info(): EngineInfo;
  devices(): DeviceInfo[];
  /** Current and peak bytes of a CUDA device that libtorch's allocator has handed out and holds. DEVICE for the CPU. */
  memoryStats(device: string): MemoryStats;
  memoryRoom(device: string): MemoryRoom;
  /** Caps all that the process takes of a GPU. INVALID_ARGUMENT for the CPU, and for less than CUDA itself takes. */
  capMemory(device: string, bytes: number): void;
  /** Resets the peaks of memoryStats. */
  resetPeakMemory(device: string): void;
  /** Bytes of memory that networks hold for their weights; shared weights count once. */
  storageBytes(networks: readonly (ModelHandle | DetectorHandle)[]): number;
  /** Waits for the work of all earlier calls. */
  synchronize(device: string): Promise<void>;
  /** Texts of libtorch's warnings since the last call, each once a process. */
  takeWarnings(): string[];
  /** Sets the number of CPU threads per operator, from the next job on. */
  setThreads(threads: number): void;

  /** Frees a handle's memory now; any later use of it is an error. Idempotent. */
  dispose(
    handle:
      | TensorHandle
      | ModelHandle
      | DetectorHandle
      | HeadsHandle
      | CacheWriterHandle
      | RecordStoreHandle
      | HostCopiesHandle
      | WatchHandle,
  ): void;

  /** Creates a job for one call. `onProgress` receives the latest figures only, and none after the call has settled. */
  createJob(onProgress?: (done: number, total: number) => void): JobHandle;
  /** Stops the call (ABORTED): at once where it waits, at its next operator or file block where it runs. */
  cancelJob(job: JobHandle): void;
  /** Removes the listener. */
  releaseJob(job: JobHandle): void;
  /** Called when the process ends: starts no further job, stops running ones and waits for them, at most 1 second. */
  stopJobs(): void;

  inspect(path: string, job?: JobHandle): Promise<Inspection>;
  /** Tensors of a checkpoint (all, or those named; an unknown name is an error), mapped from the file. */
  readTensors(
    path: string,
    names?: string[],
  ): Promise<{ tensors: Record<string, TensorHandle>; metadata: Record<string, string> }>;
  /** Written to a temporary file, synced, renamed. */
  writeSafetensors(
    path: string,
    tensors: Record<string, TensorHandle>,
    metadata: Record<string, string>,
  ): Promise<void>;
}
