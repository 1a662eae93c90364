import { messageText } from './printable.js';

/**
 * The error codes of the package and their meanings.
 * The C++ core uses the same names (cpp/core/error.h).
 */
export const errorCodes = {
  INVALID_ARGUMENT: 'an option or argument has the wrong type or value',
  FILE_NOT_FOUND: 'a file or folder does not exist or cannot be read',
  IO: 'reading or writing a file failed',
  DISK_FULL: 'the disk is full, or a quota or file size limit was reached; no partial file is left',
  CHECKPOINT_FORMAT: 'the file is not a readable checkpoint',
  CHECKPOINT_LEGACY: 'a torch.save file of the format before PyTorch 1.6',
  CHECKPOINT_ENCRYPTED: 'an encrypted zip archive',
  CHECKPOINT_TRUNCATED: 'the checkpoint ends early, or its sizes do not match the file',
  CHECKPOINT_UNSAFE: 'the pickle refers to something that is neither a tensor nor a container',
  CHECKPOINT_VALUES:
    'weights are NaN, infinite, too large for the dtype, or from the middle of a training that they cannot be used from',
  CHECKPOINT_KEYS: 'keys are missing or unexpected, or tensors have the wrong shape',
  MODEL_FORMAT: 'the file is not a TorchScript network with the expected methods',
  MODEL_CODE: 'the code of a network file uses operators that networks are not made of; none of it ran',
  MODEL_OUTPUT: 'a network gave an output of the wrong shape, dtype, size or device',
  MODEL_VALUES: 'a network, or its head, gave NaN or infinite values for an image',
  HEAD_MISMATCH: 'the class_embed head does not match the network or the class set',
  BACKBONE_MISMATCH: 'a detector and a segmentation network should share a backbone, but have different ones',
  SHAPE: 'a tensor or image has the wrong shape, dtype or size',
  DEVICE: 'the device is unknown or not available',
  OUT_OF_MEMORY: 'the device or the host ran out of memory',
  IMAGE: 'an image cannot be decoded',
  LABEL_SIZE: 'a label image and its image have different sizes',
  LABEL_VALUE: 'a label image contains a value that is not in the class set',
  DATASET: 'the data folder does not have the expected layout, or contains no pairs',
  CLASSES: 'a class set is unknown or its file is not valid',
  CACHE:
    'a cache of network outputs was made with other settings, is damaged, or another process writes to it',
  MANIFEST: 'a manifest of images is not valid CSV, is empty, lacks a column or lists an image twice',
  TABLE: 'a feature table was made with other settings, is damaged, or another process writes to it',
  RUN: 'a training run cannot be started, resumed, continued or read',
  LIBTORCH_NOT_FOUND: 'no usable libtorch was found',
  LIBTORCH_UNSUPPORTED: 'the libtorch found cannot be used',
  DOWNLOAD: 'a download failed, directly or with pip',
  ARCHIVE: 'a zip or wheel is truncated, damaged, or contains entries that are not allowed',
  CHECKSUM: 'a file does not match its checksum',
  ADDON: 'the native addon is missing or fails to load',
  DISPOSED: 'a model, head or tensor was used after dispose()',
  TIMEOUT: 'a pass of a network took longer than the given time and was stopped',
  ABORTED: 'the job was stopped on request',
  TORCH: 'libtorch reported an error',
  INTERNAL: 'an error of this package: please report it',
} as const;

/** One of the keys of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** The error class of this package: `code` for programs, `message` for people, `cause` for the underlying error. */
export class DinoSegError extends Error {
  /** `DinoSegError`, in every copy of the package. */
  override readonly name = 'DinoSegError';

  /**
   * An error with a code.
   *
   * @param message what was expected, what was found and what to do. Control characters in it, from names in files, are escaped.
   * @param options `cause`: the underlying error.
   */
  constructor(
    /** The kind of error, for programs: one of {@link errorCodes}. */
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(messageText(message), options);
  }
}
