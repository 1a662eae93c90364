/**
 * The file from which training resumes. For one head it is a head file that also holds AdamW's moments; for several it holds
 * the same arrays for each group of heads, named `heads.GROUP.NAME`, with the heads as first dimension.
 */
import * as v from 'valibot';
import { DinoSegError } from '../errors.js';
import { readFloats, writeFloats, type ShapedFloats } from '../model/float-file.js';
import type { HeadArrays } from '../model/head-arrays.js';
import { classEmbedPrefix, optimizerKey } from '../model/head-file.js';
import { headStrings, type HeadMetadata } from '../model/head-metadata.js';
import { layerStrings, probeKeys } from '../model/probe-file.js';
import { engine } from '../native/engine.js';
import { parseAs, wholeNumber } from '../schema.js';
import type { HeadGroup, GroupState } from './head-group.js';

/** Completed steps: of one head, or of each head of each group. */
const stepsSchema = v.union([v.null(), wholeNumber, v.array(v.array(wholeNumber))]);

const format = 'dinov3-seg training state';

/** A piece of a head's row of parameters. */
interface Piece {
  key: string;
  /** Its name in the optimiser state. */
  moment: string;
  shape: number[];
}

/** The pieces of a row, in its order. Legend: R outputs, C width. */
function piecesOf({ outputs, options: { kind, width } }: HeadGroup): Piece[] {
  if (kind !== 'linear_probe')
    return [
      { key: `${classEmbedPrefix}.weight`, moment: 'weight', shape: [outputs, width] },
      { key: `${classEmbedPrefix}.bias`, moment: 'bias', shape: [outputs] },
    ];
  const { weight, bias, gamma, beta } = probeKeys;
  return [
    { key: weight, moment: weight, shape: [outputs, width, 1, 1] },
    { key: bias, moment: bias, shape: [outputs] },
    { key: gamma, moment: gamma, shape: [width] },
    { key: beta, moment: beta, shape: [width] },
  ];
}

/** Where a piece of an array stands: in a file, and in the array's rows of `row` elements. */
interface Place {
  array: keyof GroupState['arrays'];
  key: string;
  shape: number[];
  start: number;
  length: number;
  row: number;
}

const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

function placesOf(group: HeadGroup): Place[] {
  const { kind, width } = group.options;
  const pieces = piecesOf(group).map((piece) => ({ ...piece, length: elementsOf(piece.shape) }));
  const row = pieces.reduce((sum, { length }) => sum + length, 0);
  const all = (array: Place['array'], keyOf: (piece: Piece) => string) => {
    let end = 0;
    return pieces.map((piece): Place => {
      const { shape, length } = piece;
      end += length;
      return { array, key: keyOf(piece), shape, start: end - length, length, row };
    });
  };
  const statistics = (array: 'runningMean' | 'runningVar'): Place => ({
    ...{ array, key: probeKeys[array], shape: [width] },
    ...{ start: 0, length: width, row: width },
  });
  return [
    ...all('value', ({ key }) => key),
    ...all('expAvg', ({ moment }) => optimizerKey('exp_avg', moment)),
    ...all('expAvgSq', ({ moment }) => optimizerKey('exp_avg_sq', moment)),
    ...(kind === 'linear_probe' ? [statistics('runningMean'), statistics('runningVar')] : []),
  ];
}

/** Cuts the rows of a group's arrays into the pieces of a file; arrays that are not there are left out. */
function cut(
  group: HeadGroup,
  arrays: Partial<HeadArrays>,
  heads: number,
  prefix = '',
): Record<string, ShapedFloats> {
  const pieces: Record<string, ShapedFloats> = {};
  for (const { array, key, shape, start, length, row } of placesOf(group)) {
    const rows = arrays[array];
    if (!rows) continue;
    const data = new Float32Array(heads * length);
    for (let head = 0; head < heads; head++)
      data.set(rows.subarray(head * row + start, head * row + start + length), head * length);
    pieces[prefix + key] = { data, shape: prefix === '' ? shape : [heads, ...shape] };
  }
  return pieces;
}

/** Puts the pieces together again. */
function join(
  group: HeadGroup,
  pieces: Record<string, Float32Array>,
  heads: number,
  prefix: string,
): GroupState['arrays'] {
  const arrays: Partial<HeadArrays> = {};
  for (const { array, key, start, length, row } of placesOf(group)) {
    const rows = (arrays[array] ??= new Float32Array(heads * row));
    for (let head = 0; head < heads; head++)
      rows.set(pieces[prefix + key]!.subarray(head * length, (head + 1) * length), head * row + start);
  }
  return arrays as GroupState['arrays'];
}

/**
 * Writes one head (safetensors): temporary file, synced, renamed.
 *
 * @param arrays its rows; with AdamW's moments training can resume from the file, and `steps` is the number of completed steps.
 * @throws DinoSegError DISK_FULL, IO.
 */
export async function writeState(
  path: string,
  group: HeadGroup,
  arrays: Partial<HeadArrays>,
  metadata: HeadMetadata,
  steps?: number,
): Promise<void> {
  const kind = group.options.kind === 'linear_probe' ? 'linear_probe' : 'class_embed';
  const precision = kind === 'linear_probe' ? 'float32' : metadata.precision;
  await writeFloats(path, cut(group, arrays, 1), {
    ...headStrings(kind, { ...metadata, precision }),
    ...(kind === 'linear_probe' && layerStrings(group.options.layers)),
    ...(steps !== undefined && { steps: String(steps) }),
  });
}

/** Writes the heads of a run, to resume from. @throws DinoSegError DISK_FULL, IO */
export async function writeStates(
  path: string,
  groups: readonly HeadGroup[],
  states: readonly GroupState[],
  metadata: HeadMetadata & { run: string },
): Promise<void> {
  const [first] = states;
  if (groups.length === 1 && first!.steps.length === 1)
    return writeState(path, groups[0]!, first!.arrays, metadata, first!.steps[0]!);
  const arrays: Record<string, ShapedFloats> = {};
  for (const [i, { arrays: own, steps }] of states.entries())
    Object.assign(arrays, cut(groups[i]!, own, steps.length, `heads.${i}.`));
  const steps = JSON.stringify(states.map((state) => state.steps));
  await writeFloats(path, arrays, { format, run: metadata.run, steps });
}

/**
 * Reads what {@link writeStates} wrote, in this release or an earlier one, for groups of the same heads.
 *
 * @throws DinoSegError RUN for other files, CHECKPOINT_*, IO.
 */
export async function readStates(path: string, groups: readonly HeadGroup[]): Promise<GroupState[]> {
  const { tensors, metadata } = await engine().inspect(path);
  const names = tensors.map(({ name }) => name);
  const counts = groups.map(({ settings }) => settings.length);
  const steps = parseAs(
    stepsSchema,
    metadata['steps'] ?? 'null',
    (what) => new DinoSegError('RUN', `${path} is damaged: its metadata "steps" cannot be read (${what}).`),
  );
  const isSingle = typeof steps === 'number';
  const fits = isSingle ? counts.join() === '1' : steps?.map(({ length }) => length).join() === counts.join();
  const isEarlier = !isSingle && names.includes('0.value');
  const prefixOf = (group: number) => (isSingle ? '' : `heads.${group}.`);
  const missing = isEarlier
    ? undefined
    : groups
        .flatMap((group, i) => placesOf(group).map(({ key }) => prefixOf(i) + key))
        .find((key) => !names.includes(key));
  if (steps === null || !fits || missing !== undefined)
    throw new DinoSegError(
      'RUN',
      `${path} contains no training state for the heads of this run` +
        `${missing === undefined ? '' : ` (${missing} is missing)`}; the run cannot resume from it.`,
    );
  const read = await readFloats(path, names);
  return groups.map((group, i) => ({
    arrays: isEarlier ? earlierArrays(read, i) : join(group, read, counts[i]!, prefixOf(i)),
    steps: isSingle ? [steps] : steps[i]!,
  }));
}

/** Earlier releases kept the rows of several heads, and of a linear probe, whole. */
function earlierArrays(read: Record<string, Float32Array>, group: number): GroupState['arrays'] {
  const names = ['value', 'expAvg', 'expAvgSq', 'runningMean', 'runningVar'] as const;
  const found = names.flatMap((name) => {
    const array = read[`${group}.${name}`];
    return array ? [[name, array] as const] : [];
  });
  return Object.fromEntries(found) as GroupState['arrays'];
}
