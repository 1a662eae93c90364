/**
 * Every error code of the package, with what it means.
 * The C++ core uses the same names (cpp/core/error.h).
 */
export const errorCodes = {
  INVALID_ARGUMENT: 'an option or argument has the wrong type or value',
  FILE_NOT_FOUND: 'a file or folder does not exist or cannot be read',
  IO: 'reading or writing a file failed',
  DISK_FULL: 'the disk, quota or file size limit was reached while writing; nothing half-written is left',
  CHECKPOINT_FORMAT: 'the file is not a checkpoint that can be read',
  CHECKPOINT_LEGACY: 'a torch.save file of the format before PyTorch 1.6',
  CHECKPOINT_ENCRYPTED: 'an encrypted zip archive',
  CHECKPOINT_TRUNCATED: 'the checkpoint ends early or its sizes do not fit the file',
  CHECKPOINT_UNSAFE: 'the pickle asks for something that is neither a tensor nor a container',
  CHECKPOINT_KEYS: 'keys are missing, superfluous or of the wrong shape',
  MODEL_FORMAT: 'the file is not a TorchScript network with the expected methods',
  HEAD_MISMATCH: 'the class_embed head does not fit the network or the class set',
  BACKBONE_MISMATCH: 'a detector and a segmentor that are to share a backbone have different ones',
  SHAPE: 'a tensor or image has the wrong shape, dtype or size',
  DEVICE: 'the device is unknown or not available',
  OUT_OF_MEMORY: 'the device or the host has too little memory',
  IMAGE: 'an image cannot be decoded',
  LABEL_SIZE: 'a label image is of another size than its image',
  LABEL_VALUE: 'a label image holds a value outside the class set',
  DATASET: 'the data folder is not laid out as expected or holds no pairs',
  CLASSES: 'a class set is unknown or its file is not valid',
  CACHE: 'a cache of network outputs was made otherwise, is damaged or is being written to',
  MANIFEST: 'a manifest of images is not valid CSV, is empty, lacks a column or names an image twice',
  TABLE: 'a feature table was made otherwise, is damaged or is being written to',
  RUN: 'a run folder cannot be started, resumed or read',
  LIBTORCH_NOT_FOUND: 'no usable libtorch was found',
  LIBTORCH_UNSUPPORTED: 'the libtorch that was found cannot be used',
  DOWNLOAD: 'a file could not be fetched from the network or by pip',
  ARCHIVE: 'a zip or wheel is cut off, damaged or holds what is not taken from archives',
  CHECKSUM: 'a file is not the one that its checksum states',
  ADDON: 'the native addon is missing or does not load',
  DISPOSED: 'a model, head or tensor was used after dispose()',
  ABORTED: 'the job was stopped on request',
  TORCH: 'libtorch reported an error',
  INTERNAL: 'an error of this package: please report it',
} as const;

/** One of the keys of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** The error of this package: `code` for programs, `message` for people, `cause` for what lies beneath. */
export class DinoSegError extends Error {
  /** `DinoSegError`, in every copy of the package. */
  override readonly name = 'DinoSegError';

  /**
   * An error with a code.
   *
   * @param message what was expected, what came and what to do.
   * @param options `cause`: what lies beneath.
   */
  constructor(
    /** What went wrong, for programs: one of {@link errorCodes}. */
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
