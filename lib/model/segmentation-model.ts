/** The frozen network: backbone, adapter, pixel decoder and predictor of one TorchScript file. */
import { decodeImage } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { DType, ModelHandle, ModelInfo, RawImage, Scoring } from '../native/surface.js';
import { ClassHead } from './class-head.js';
import { DecodedImages } from './decoded-images.js';
import { resolveDevice } from './device.js';
import { asSize, checkImageSize } from './image-size.js';
import { Tensor } from './tensor.js';

export interface LoadOptions {
  /** `cpu` (default), `cuda:0`, …; `auto` takes a CUDA device where there is one. */
  device?: string;
  /** Precision of the backbone's weights; `stored` (default) keeps the file's. */
  dtype?: 'stored' | 'float32' | 'bfloat16';
}

export interface SegmentImageOptions {
  /** Without it the model's own class_embed scores. */
  head?: ClassHead;
  /** Default: `recipe` with a head, `ade20k` without one. */
  scoring?: Scoring;
  /** `whole` (default) resizes the image to imageSize; `slide` moves a window of imageSize over it. */
  mode?: 'whole' | 'slide';
  /** Pixels, multiples of 32. Default 512. */
  imageSize?: number | { width: number; height: number };
  /** Step between windows in pixels, for `slide`. Default: two thirds of the window. */
  stride?: number | { x: number; y: number };
}

/** Class index of every pixel of an image, H×W row by row. */
export interface ClassMap {
  data: Uint8Array;
  width: number;
  height: number;
}

/** What {@link SegmentationModel.forward} gives: queries B×Q×C, logits B×Q×K, mask logits B×Q×h×w. */
export interface ForwardResult {
  queries: Tensor;
  predLogits: Tensor;
  predMasks: Tensor;
}

/**
 * A network written by `convert`, `exportModel` or any other TorchScript file with the methods
 * `forward(images) → (pred_logits, pred_masks)` and `decode(images) → (queries, pred_masks)`.
 * It is always in eval mode. Its memory is freed by `dispose()` or `using`.
 */
export class SegmentationModel implements Disposable {
  readonly path: string;
  /** SHA-256 that tells networks apart. */
  readonly id: string;
  readonly device: string;
  readonly dtype: DType;
  /** Input width of class_embed. */
  readonly hidden: number;
  /** Outputs of the model's own class_embed. */
  readonly classes: number;
  readonly parameters: number;
  #handle: ModelHandle | undefined;
  #ownHead: ClassHead | undefined;

  private constructor(handle: ModelHandle, info: ModelInfo) {
    this.#handle = handle;
    this.path = info.path;
    this.id = info.id;
    this.device = info.device;
    this.dtype = info.dtype;
    this.hidden = info.hidden;
    this.classes = info.classes;
    this.parameters = info.parameters;
  }

  /**
   * Loads a TorchScript file.
   *
   * @throws DinoSegError FILE_NOT_FOUND, MODEL_FORMAT, DEVICE, OUT_OF_MEMORY.
   */
  static async load(path: string, options: LoadOptions = {}): Promise<SegmentationModel> {
    const { device = 'cpu', dtype = 'stored' } = options;
    const handle = await engine().loadModel(path, { device: resolveDevice(device), dtype });
    return new SegmentationModel(handle, engine().modelInfo(handle));
  }

  /** The engine's own handle. @throws DinoSegError DISPOSED */
  get handle(): ModelHandle {
    if (this.#handle === undefined)
      throw new DinoSegError('DISPOSED', `The model of ${this.path} was used after dispose().`);
    return this.#handle;
  }

  /**
   * The model's own class scores of images B×3×H×W (float32, normalised, H and W multiples of 32, any device).
   *
   * @throws DinoSegError SHAPE, OUT_OF_MEMORY, DISPOSED.
   */
  async forward(images: Tensor): Promise<ForwardResult> {
    const { handle } = this;
    checkImages(images);
    const { queries, predLogits, predMasks } = await engine().forward(handle, images.handle);
    return {
      queries: Tensor.wrap(queries),
      predLogits: Tensor.wrap(predLogits),
      predMasks: Tensor.wrap(predMasks),
    };
  }

  /**
   * Queries and mask logits of images B×3×H×W, as {@link forward} takes them: all that a head needs.
   *
   * @throws DinoSegError SHAPE, OUT_OF_MEMORY, DISPOSED.
   */
  async decode(images: Tensor): Promise<DecodedImages> {
    const { handle } = this;
    checkImages(images);
    return new DecodedImages(await engine().decode(handle, images.handle));
  }

  /**
   * Class map of one image at its own size.
   *
   * @param image a path, an encoded image (PNG, JPEG, WebP, …) or pixels H×W×3 (RGB, 8 bit).
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, SHAPE, HEAD_MISMATCH, OUT_OF_MEMORY, DISPOSED.
   */
  async segment(image: string | Buffer | RawImage, options: SegmentImageOptions = {}): Promise<ClassMap> {
    const { handle } = this;
    const head = options.head ?? this.ownHead();
    head.assertFits(this);
    const size = asSize(options.imageSize ?? 512);
    checkImageSize(size.width, size.height);
    const stride = options.stride ?? {
      x: Math.ceil((size.width * 2) / 3),
      y: Math.ceil((size.height * 2) / 3),
    };
    const raw = typeof image === 'string' || Buffer.isBuffer(image) ? await decodeImage(image) : image;
    const data = await engine().segment(handle, head.handle, raw, {
      ...size,
      scoring: options.scoring ?? (options.head ? 'recipe' : 'ade20k'),
      mode: options.mode ?? 'whole',
      strideX: typeof stride === 'number' ? stride : stride.x,
      strideY: typeof stride === 'number' ? stride : stride.y,
    });
    return { data, width: raw.width, height: raw.height };
  }

  /** The model's own class_embed as a head; disposed of together with the model. */
  ownHead(): ClassHead {
    this.#ownHead ??= ClassHead.ofModel(this);
    return this.#ownHead;
  }

  /** Frees the network's memory now. Calling it again does nothing. */
  dispose(): void {
    if (this.#handle === undefined) return;
    this.#ownHead?.dispose();
    engine().dispose(this.#handle);
    this.#handle = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkImages(images: Tensor): void {
  const [, channels, height, width] = images.shape;
  if (images.shape.length !== 4 || channels !== 3)
    throw new DinoSegError(
      'SHAPE',
      `Images are a tensor B×3×H×W; this one is ${images.shape.join('×') || 'a scalar'}.`,
    );
  checkImageSize(width!, height!);
}
