/** Images and labels before they enter a network; legend and rules in engine.ts. */
import type { TensorHandle } from './handles.js';

/** Pixels of one decoded image, 8 bits per sample, row by row. */
export interface RawImage {
  /** Samples, H×W×channels. */
  readonly data: Uint8Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** Number of channels: 3 (default) is RGB; 1 is grey, used for all three channels; 4 is RGBA: pixels with an alpha below 128 count for no class in percentages; else alpha is dropped. */
  readonly channels?: 1 | 3 | 4;
  /** What messages call the image: its path. */
  readonly name?: string;
}

/** Pixels of one image that the engine has already copied: see `copyPixels`. */
export interface CopiedImage {
  readonly data: TensorHandle;
  readonly width: number;
  readonly height: number;
  /** What messages call the image. */
  readonly name?: string | undefined;
}

/** One image as a network takes it, which `networkInput` has made. */
export interface PreparedImage {
  /** 3×height×width of the network's input. */
  readonly input: TensorHandle;
  /** Of the image itself, in pixels. */
  readonly width: number;
  readonly height: number;
  /** What messages call the image. */
  readonly name?: string | undefined;
}

/** Class indices of one label image: H×W. */
export interface RawLabel {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Colour jitter with torchvision's meaning; `order` permutes 0 brightness, 1 contrast, 2 saturation, 3 hue. */
export interface Jitter {
  order: readonly number[];
  brightness: number;
  contrast: number;
  saturation: number;
  /** In turns, −0.5 … 0.5. */
  hue: number;
}

/** Chosen changes of one image. */
export interface Augmentation {
  flip: boolean;
  jitter: Jitter | null;
}

export interface PrepareOptions {
  width: number;
  height: number;
  device: string;
  /** One an image; absent: none. */
  augmentations?: Augmentation[];
}

/** Mean and standard deviation of a network's images: it takes (pixel − mean)/std. Red, green, blue, of pixels in 0…1. */
export interface Normalization {
  /** Mean of each channel. */
  readonly mean: readonly [number, number, number];
  /** Standard deviation of each channel, above 0. */
  readonly std: readonly [number, number, number];
}

export interface InputOptions {
  /** Of the network's input. */
  width: number;
  height: number;
  device: string;
  /** That of the network which takes the image. */
  normalization: Normalization;
}

export interface PrepareImageOptions extends PrepareOptions {
  /** That of the network which takes the images. */
  normalization: Normalization;
}

/** Views of a panorama. */
export interface PerspectiveViewOptions {
  /** In degrees: to the right of the panorama's middle, and above the horizon. */
  views: readonly { yaw: number; pitch: number }[];
  /** Across a view's width. */
  degrees: number;
  /** Of a view in pixels. */
  width: number;
  height: number;
  device: string;
}

/**
 * The engine's functions on pixels. They read the given arrays while they run: nobody may write to them or transfer them before the
 * promise is settled. So they are for arrays that this package has made; those of its users are copied at the call.
 */
export interface ImageEngine {
  /** Resizes (antialiased bilinear), jitters, flips, normalises: B×3×H×W float32. Off the model's thread. */
  prepareImages(images: RawImage[], options: PrepareImageOptions): Promise<TensorHandle>;
  /** Resizes by nearest neighbour and flips: B×H×W uint8. Off the model's thread. */
  prepareLabels(labels: RawLabel[], options: PrepareOptions): Promise<TensorHandle>;
  /**
   * Copies pixels to a device, resizes (antialiased bilinear) and normalises them there: 3×height×width float32. What the device
   * computes meanwhile goes on.
   */
  networkInput(image: RawImage, options: InputOptions): Promise<TensorHandle>;
  /**
   * Perspective views N×height×width×3 of an equirectangular panorama, computed on a device beside its other work. INVALID_ARGUMENT,
   * SHAPE.
   */
  perspectiveViews(panorama: RawImage, options: PerspectiveViewOptions): Promise<Uint8Array>;
  /** Copies pixels off the JavaScript thread. */
  copyPixels(image: RawImage): Promise<TensorHandle>;
  /**
   * Classes of a label file's values; undefined where one has none.
   *
   * @param table the class of each value below 256, or 256 for a value without one, as all greater ones are.
   */
  mapLabel(values: Uint8Array | Uint16Array, table: Uint32Array): Promise<Uint8Array | undefined>;
  /**
   * Classes of the pixels of a label image that stores colours; undefined where one has another colour.
   *
   * @param pixels H×W×3.
   * @param colors red, green, blue and class of each colour, a byte each from the highest.
   */
  mapColors(pixels: Uint8Array, colors: Uint32Array): Promise<Uint8Array | undefined>;
}
