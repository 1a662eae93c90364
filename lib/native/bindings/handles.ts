/** What crosses for an object of the engine: a handle with the object's kind as its tag; rules in engine.ts. */
declare const kind: unique symbol;

/** A tensor owned by the engine, on any device. */
export interface TensorHandle {
  readonly [kind]: 'tensor';
}
/** A loaded TorchScript network. */
export interface ModelHandle {
  readonly [kind]: 'model';
}
/** Steers one call: made by `createJob`. */
export interface JobHandle {
  readonly [kind]: 'job';
}
/** Heads of one kind, one or several side by side, with their gradients and optimiser state. */
export interface HeadsHandle {
  readonly [kind]: 'head';
}
/** A loaded detector. */
export interface DetectorHandle {
  readonly [kind]: 'detector';
}
/** Appends records to a cache; it holds the cache's lock while it lives. */
export interface CacheWriterHandle {
  readonly [kind]: 'cache writer';
}
/** Records of a cache, for reading. */
export interface RecordStoreHandle {
  readonly [kind]: 'record store';
}
/** Whether a pass gave finite numbers, under way to the host. */
export interface WatchHandle {
  readonly [kind]: 'watch';
}
/** Copies under way to the host's memory. */
export interface HostCopiesHandle {
  readonly [kind]: 'host copies';
}
