/** What a user is told of weights that are streamed. */
import type { StreamInfo } from '../native/bindings/engine.js';
import { counted } from '../text.js';
import type { WeightPlan } from './pass-size.js';

/** `Streaming 32 of 40 blocks (10.7 GB a pass)`; names the part that is copied from the file, which is slower. */
export function streamingText(
  { streamedBlocks, streamedBytes, pinnedBytes, device }: StreamInfo & { device: string },
  { residentBlocks }: WeightPlan,
): string {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const unpinned = device === 'cpu' ? 0 : streamedBytes - pinnedBytes;
  const fromFile = unpinned > 0 ? `, ${gigabytes(unpinned)} of them from the file, which is slower` : '';
  const blocks = `${streamedBlocks} of ${counted(streamedBlocks + residentBlocks, 'block')}`;
  return `Streaming ${blocks} (${gigabytes(streamedBytes)} a pass${fromFile})`;
}
