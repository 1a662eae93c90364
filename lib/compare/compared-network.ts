/** What is compared: a network with its head, and in which precision it runs. */
import { resolve } from 'node:path';
import { oneOf, needed, text, type OptionKinds } from '../arguments.js';
import type { ClassSet } from '../data/class-set.js';
import { DinoSegError } from '../errors.js';
import { waysToRun, type LoadOptions } from '../model/load-options.js';
import { networkPrecisions } from '../model/network-precision.js';
import { openHead } from '../model/open-head.js';
import { classSetOf } from '../model/scoring.js';
import type { Segmenter } from '../model/segmenter.js';
import type { DType, NetworkPrecision, Scoring } from '../native/bindings/engine.js';

/** One side of a comparison. */
export interface ComparedNetwork extends Pick<LoadOptions, 'dtype' | 'precision'> {
  /** Network file. */
  model: string;
  /** Head file with a class_embed or a linear probe. Default: the network's own head. */
  head?: string;
}

export const comparedNetworkOptions: OptionKinds<ComparedNetwork> = {
  model: needed(text),
  head: text,
  dtype: oneOf(['stored', 'float32', 'bfloat16']),
  precision: oneOf(networkPrecisions),
};

/** One side of a comparison, as it ran. */
export interface ComparedSide {
  /** Network file. */
  model: string;
  /** SHA-256 that identifies the network. */
  modelId: string;
  /** Head file; null: the network's own head. */
  head: string | null;
  /** Data type of the backbone's weights. */
  dtype: DType;
  /** Precision of the pixel decoder; a float32 network is float32 throughout. */
  precision: NetworkPrecision;
  /** Scoring method. */
  scoring: Scoring;
}

export function sideOf(
  { head }: ComparedNetwork,
  { model, scoring }: Pick<Segmenter, 'model' | 'scoring'>,
): ComparedSide {
  const { path, id, dtype, precision } = model;
  return { model: path, modelId: id, head: head ?? null, dtype, precision, scoring };
}

const runOf = (side: ComparedNetwork) =>
  [resolve(side.model), side.dtype ?? 'stored', waysToRun(side).precision].join('\n');

/** Whether one pass of a network serves both sides. */
export function sharesNetwork(a: ComparedNetwork, b: ComparedNetwork): boolean {
  return runOf(a) === runOf(b);
}

/** @throws DinoSegError INVALID_ARGUMENT where both sides are the same */
export function assertDiffers(a: ComparedNetwork, b: ComparedNetwork): void {
  const headOf = ({ head }: ComparedNetwork) => (head === undefined ? undefined : resolve(head));
  if (!sharesNetwork(a, b) || headOf(a) !== headOf(b)) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `There is nothing to compare: both sides are ${a.model} with ${a.head ?? 'its own head'}, dtype ${a.dtype ?? 'stored'}, ` +
      `precision ${waysToRun(a).precision}. Give two values of --model, --head, --precision or --dtype.`,
  );
}

/** @throws DinoSegError HEAD_MISMATCH where the heads have different classes */
export function assertSameClasses(a: ClassSet, b: ClassSet): void {
  const [ours, theirs] = [a.classes, b.classes];
  const other = ours.findIndex(({ name }, k) => name !== theirs[k]?.name);
  if (ours.length === theirs.length && other < 0) return;
  const where =
    ours.length === theirs.length
      ? ` Class ${other} is "${ours[other]!.name}" in A and "${theirs[other]!.name}" in B.`
      : '';
  throw new DinoSegError(
    'HEAD_MISMATCH',
    `Expected two heads with the same classes; A has the ${ours.length} classes of "${a.name}", B the ${theirs.length} of ` +
      `"${b.name}".${where} Choose heads for the same classes, or name the class set of both (--classes).`,
  );
}

/** Of a head's file, what must be known before a network runs. */
export interface HeadFacts {
  metadata: { imageSize?: number };
  classSet: ClassSet;
}

/** Reads the head file of a side; undefined for the network's own. @throws DinoSegError as openHead, CLASSES */
export async function headFacts(
  { head: path }: ComparedNetwork,
  classes?: string,
): Promise<HeadFacts | undefined> {
  if (path === undefined) return undefined;
  using head = await openHead(path, { device: 'cpu' });
  return { metadata: head.metadata, classSet: await classSetOf(head, classes) };
}
