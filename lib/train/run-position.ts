/** How far a training run has come. */
import { DinoSegError } from '../errors.js';
import type { BestEpoch } from './early-stopping.js';

/** How a head of a run fares. */
export interface HeadProgress {
  /** Sum over the epoch's batches so far of loss times images. */
  lossSum: number;
  /** Best epoch so far. */
  best: BestEpoch | null;
  /** mIoU after the last epoch that counted for it. */
  lastMIoU: number | null;
  /** `trained`; `stopped`: its patience ran out; `lost`: its loss or gradient was not finite any more. */
  outcome: 'trained' | 'stopped' | 'lost';
}

/** Where a run stands. */
export interface RunPosition {
  /** Epoch being worked on, from 1. */
  epoch: number;
  /** Batches of it that are done; a multiple of `accumulate`, or all of them. */
  batch: number;
  /** Images of those batches. */
  images: number;
  /** That those batches took. */
  seconds: number;
  /** The random state: every random choice follows from it, the epoch and the image's index. */
  seed: number;
  /** One of a run of one head; of a sweep or folds one each. */
  heads: HeadProgress[];
  /** All epochs are done, or the run stopped early. */
  finished: boolean;
}

/** The position of a run that has done nothing yet. */
export function startPosition(seed: number, heads: number): RunPosition {
  const head: HeadProgress = { lossSum: 0, best: null, lastMIoU: null, outcome: 'trained' };
  return {
    ...{ epoch: 1, batch: 0, images: 0, seconds: 0, seed, finished: false },
    heads: Array.from({ length: heads }, () => ({ ...head })),
  };
}

/** A position as earlier releases wrote it: of one head, or of several. */
type EarlierPosition = Omit<RunPosition, 'heads'> &
  (
    | { lossSum: number; best: BestEpoch | null }
    | { lossSums: number[]; rows: Omit<HeadProgress, 'lossSum'>[] }
  );

/**
 * A position out of a file's metadata.
 *
 * @throws DinoSegError RUN where it cannot be read.
 */
export function parsePosition(path: string, json: string): RunPosition {
  let found: RunPosition | EarlierPosition;
  try {
    found = JSON.parse(json) as RunPosition | EarlierPosition;
  } catch {
    throw new DinoSegError('RUN', `${path} is damaged: where its run stood cannot be read.`);
  }
  if ('heads' in found) return found;
  const { epoch, batch, images, seconds, seed, finished } = found;
  const heads =
    'rows' in found
      ? found.rows.map(({ best, lastMIoU, outcome }, i) => ({
          ...{ lossSum: found.lossSums[i]!, best, lastMIoU, outcome },
        }))
      : [{ lossSum: found.lossSum, best: found.best, lastMIoU: null, outcome: 'trained' as const }];
  return { epoch, batch, images, seconds, seed, heads, finished };
}

/** The head with the best epoch; undefined where no epoch of any could be measured. */
export function bestHead(heads: readonly HeadProgress[]): { head: number; best: BestEpoch } | undefined {
  let found: { head: number; best: BestEpoch } | undefined;
  for (const [head, { best }] of heads.entries())
    if (best && (!found || best.mIoU > found.best.mIoU)) found = { head, best };
  return found;
}
