import type { RgbImage } from '../../lib/data/decode.js';
import type { FeatureExtractor } from '../../lib/features/extractor.js';

export interface PixelExtractorOptions {
  passSize?: number;
  concurrency?: number;
  /** Awaited in each pass. */
  hold?: () => Promise<unknown> | undefined;
  settings?: Record<string, unknown>;
  company?: boolean;
  refuse?: (image: RgbImage) => Error | undefined;
  onExtract?: (images: readonly RgbImage[]) => void;
  overlay?: boolean;
  isIndependent?: boolean;
  /** Whether each pass counts as one that was run again. */
  runsAgain?: boolean;
}

export function pixelExtractor(options?: PixelExtractorOptions): FeatureExtractor;
