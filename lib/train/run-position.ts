/** How far a training run has come. */
import * as v from 'valibot';
import { DinoSegError } from '../errors.js';
import { measured, naturalNumber, parseAs, wholeNumber } from '../schema.js';
import { bestSchema, type BestEpoch } from './early-stopping.js';

/** Progress of a head of a run. */
export interface HeadProgress {
  /** Sum of loss × images over the epoch's batches so far. */
  lossSum: number;
  /** Best epoch so far. */
  best: BestEpoch | null;
  /** mIoU after the last epoch in which it was trained; null if it could not be measured. */
  lastMIoU: number | null;
  /** `stopped`: early, by `patience`; `lost`: its loss or gradient was not finite. */
  outcome: 'trained' | 'stopped' | 'lost';
}

/** Position of a run. */
export interface RunPosition {
  /** Current epoch, from 1. */
  epoch: number;
  /** Completed batches of the epoch: a multiple of `accumulate`, or all of them. */
  batch: number;
  /** Images of those batches. */
  images: number;
  /** Duration of those batches. */
  seconds: number;
  /** Seed: with the epoch and the image's index it determines every random choice. */
  seed: number;
  /** Progress of each head: one, or several for a sweep or folds. */
  heads: HeadProgress[];
  /** Whether all epochs are completed or the run stopped early. */
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

const best = v.nullable(bestSchema);
const outcome = v.picklist(['trained', 'stopped', 'lost']);
const common = {
  ...{ epoch: naturalNumber, batch: wholeNumber, images: wholeNumber, seconds: v.number(), seed: v.number() },
  finished: v.boolean(),
};
// A loss that is not finite is null in JSON.
const lossSum = v.nullable(v.number());
const positionSchema = v.object({
  ...common,
  heads: v.pipe(v.array(v.object({ lossSum, best, lastMIoU: measured, outcome })), v.minLength(1)),
});
const earlierSchema = v.object({ ...common, lossSum, best });
const earlierSeveralSchema = v.pipe(
  v.object({
    ...common,
    // Not written for several heads.
    seed: v.exactOptional(v.number()),
    lossSums: v.array(lossSum),
    rows: v.pipe(v.array(v.object({ best, lastMIoU: measured, outcome })), v.minLength(1)),
  }),
  v.check(({ lossSums, rows }) => lossSums.length === rows.length),
);

/**
 * A position out of a file's metadata.
 *
 * @throws DinoSegError RUN where it cannot be read.
 */
export function parsePosition(path: string, json: string): RunPosition {
  const found = parseAs(
    v.union([positionSchema, earlierSeveralSchema, earlierSchema]),
    json,
    (what) =>
      new DinoSegError('RUN', `${path} is damaged: the position of the run cannot be read (${what}).`),
  ) as RunPosition | EarlierPosition;
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
