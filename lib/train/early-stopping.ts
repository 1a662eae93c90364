/** When a run has a new best epoch, and when it gives up waiting for one. */
import * as v from 'valibot';
import { naturalNumber, type Schema } from '../schema.js';

/** The epoch with the highest mIoU. */
export interface BestEpoch {
  /** Number of the epoch, from 1. */
  epoch: number;
  /** mIoU of the epoch, 0…1. */
  mIoU: number;
}

export const bestSchema = v.object({ epoch: naturalNumber, mIoU: v.number() }) satisfies Schema<BestEpoch>;

/** The better of the best epoch so far and a new one; an epoch without a measurable mIoU is never better. */
export function betterEpoch(best: BestEpoch | null, epoch: number, mIoU: number | null): BestEpoch | null {
  if (mIoU === null || !Number.isFinite(mIoU)) return best;
  return best === null || mIoU > best.mIoU ? { epoch, mIoU } : best;
}

/**
 * Whether `patience` epochs have gone by since the best one (0: wait for ever).
 * While no epoch has been measurable, all of them count as waiting.
 */
export function outOfPatience(best: BestEpoch | null, epoch: number, patience: number): boolean {
  return patience > 0 && epoch - (best?.epoch ?? 0) >= patience;
}
