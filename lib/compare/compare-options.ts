/** Options of comparisons. */
import { callback, number, signal, text, type OptionKinds } from '../arguments.js';
import { scoring } from '../model/argument-kinds.js';
import { codeOptions, loadOptions, type LoadOptions } from '../model/load-options.js';
import type { Scoring } from '../native/bindings/engine.js';

/** Options of {@link compare}. */
export interface CompareOptions extends Pick<
  LoadOptions,
  'device' | 'weights' | 'gpuMemory' | 'trustCode' | 'timeout'
> {
  /** Name or file of the class set of both heads. Default: that of the heads, or ade150 for 151 outputs. */
  classes?: string;
  /** Scoring method of both. Default: follows from each head's number of outputs. */
  scoring?: Scoring;
  /** Width and height of the networks' input in pixels, a multiple of 32. Default: the heads' training size, else 512. */
  imageSize?: number;
  /**
   * Images per forward pass. Default: 1 on the CPU; up to 8 on a GPU, depending on free memory, and halved if memory runs out. The
   * second network gets passes of the same size: other sizes differ by rounding.
   */
  passSize?: number;
  /** Maximum number of pixels of an image; larger ones fail before they are decoded. Default 268,402,689 (0x3FFF²). */
  maxPixels?: number;
  /** Path of an HTML report with the images that differ most; its folder is created if missing. Default: no report. */
  report?: string;
  /** Stops between two images. */
  signal?: AbortSignal;
  /** Called after each image of each network with the number done and the total. */
  onProgress?: (done: number, total: number) => void;
  /** Called with log lines, e.g. when passes become smaller. */
  onLog?: (line: string) => void;
}

export const compareOptions: OptionKinds<CompareOptions> = {
  ...{ device: loadOptions.device, weights: loadOptions.weights, gpuMemory: loadOptions.gpuMemory },
  ...codeOptions,
  ...{ classes: text, scoring, imageSize: number, passSize: number, maxPixels: number, report: text },
  ...{ signal, onProgress: callback(), onLog: callback() },
};
