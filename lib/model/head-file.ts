/** Files with a class_embed head: this package's own and foreign ones. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { CheckpointEntry } from '../native/bindings/engine.js';
import { readFloats, writeFloats, type ShapedFloats } from './float-file.js';
import { headStrings, inspectHeadFile, type HeadMetadata } from './head-metadata.js';

/** The checkpoint's own name of the trained layer. */
export const classEmbedPrefix = 'segmentation_model.1.predictor.class_embed';
/** Matches its weight under any prefix. */
export const classEmbedWeight = /(^|\.)class_embed\.weight$/;
/** Weight K×C row by row, bias K, and AdamW's moments where the file holds them. */
export interface HeadValues {
  classes: number;
  hidden: number;
  weight: Float32Array;
  bias: Float32Array;
  optimizer?: OptimizerValues;
}

/** State of AdamW. Shapes: K classes, C hidden. */
export interface OptimizerValues {
  /** First moment of the weight's gradient, K×C row by row. */
  expAvgWeight: Float32Array;
  /** First moment of the bias' gradient, K. */
  expAvgBias: Float32Array;
  /** Second moment of the weight's gradient, K×C row by row. */
  expAvgSqWeight: Float32Array;
  /** Second moment of the bias' gradient, K. */
  expAvgSqBias: Float32Array;
  /** Number of steps taken. */
  steps: number;
}

/** Name of a moment of AdamW, of a parameter, in files from which training can resume. */
export const optimizerKey = (moment: 'exp_avg' | 'exp_avg_sq', parameter: string): string =>
  `optimizer.${moment}.${parameter}`;

const optimizerKeys = {
  expAvgWeight: optimizerKey('exp_avg', 'weight'),
  expAvgBias: optimizerKey('exp_avg', 'bias'),
  expAvgSqWeight: optimizerKey('exp_avg_sq', 'weight'),
  expAvgSqBias: optimizerKey('exp_avg_sq', 'bias'),
};

/**
 * Writes a head file (safetensors) atomically: to a temporary file, which is synced and renamed.
 *
 * @throws DinoSegError DISK_FULL, IO.
 */
export async function writeHeadFile(path: string, values: HeadValues, metadata: HeadMetadata): Promise<void> {
  const { classes, hidden, optimizer } = values;
  const arrays: Record<string, ShapedFloats> = {};
  const put = (key: string, data: Float32Array, shape: number[]) => (arrays[key] = { data, shape });
  put(`${classEmbedPrefix}.weight`, values.weight, [classes, hidden]);
  put(`${classEmbedPrefix}.bias`, values.bias, [classes]);
  if (optimizer) {
    put(optimizerKeys.expAvgWeight, optimizer.expAvgWeight, [classes, hidden]);
    put(optimizerKeys.expAvgBias, optimizer.expAvgBias, [classes]);
    put(optimizerKeys.expAvgSqWeight, optimizer.expAvgSqWeight, [classes, hidden]);
    put(optimizerKeys.expAvgSqBias, optimizer.expAvgSqBias, [classes]);
  }
  const strings = headStrings('class_embed', metadata);
  await writeFloats(path, arrays, { ...strings, ...(optimizer && { steps: String(optimizer.steps) }) });
}

/**
 * Reads a head file of this package.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_FORMAT for other files, newer versions and linear probes,
 *   CHECKPOINT_KEYS.
 */
export async function readHeadFile(path: string): Promise<{ values: HeadValues; metadata: HeadMetadata }> {
  const { inspection, metadata } = await inspectHeadFile(path, 'class_embed');
  const values = await readValues(path, inspection.tensors);
  const hasOptimizer = inspection.tensors.some((entry) => entry.name === optimizerKeys.expAvgWeight);
  if (hasOptimizer) values.optimizer = await readOptimizer(path, values, inspection.metadata);
  return { values, metadata };
}

/**
 * Reads the only `…class_embed.weight` and `.bias` of any checkpoint.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* for unreadable files, CHECKPOINT_KEYS unless there is exactly
 *   one such pair, HEAD_MISMATCH unless its shapes are K×C and K.
 */
export async function readForeignHead(path: string): Promise<HeadValues> {
  return readValues(path, (await engine().inspect(path)).tensors);
}

async function readValues(path: string, entries: CheckpointEntry[]): Promise<HeadValues> {
  const { weight, bias } = findHead(path, entries);
  const read = await readFloats(path, [weight.name, bias.name]);
  return {
    classes: weight.shape[0]!,
    hidden: weight.shape[1]!,
    weight: read[weight.name]!,
    bias: read[bias.name]!,
  };
}

function findHead(
  path: string,
  entries: CheckpointEntry[],
): { weight: CheckpointEntry; bias: CheckpointEntry } {
  const weights = entries.filter(({ name }) => classEmbedWeight.test(name));
  const weight = weights[0];
  if (weight === undefined || weights.length > 1)
    throw new DinoSegError(
      'CHECKPOINT_KEYS',
      `${path} should contain exactly one tensor named …class_embed.weight; ` +
        (weight
          ? `it contains ${weights.map(({ name }) => name).join(', ')}.`
          : `none of its ${entries.length} tensors has that name.`) +
        ' Save the intended head in a file of its own and import that file.',
    );
  const biasName = weight.name.replace(/weight$/, 'bias');
  const bias = entries.find(({ name }) => name === biasName);
  if (bias === undefined)
    throw new DinoSegError(
      'CHECKPOINT_KEYS',
      `${path} contains ${weight.name} but not the matching ${biasName}.`,
    );
  const [classes, hidden] = weight.shape;
  if (
    weight.shape.length !== 2 ||
    bias.shape.length !== 1 ||
    bias.shape[0] !== classes ||
    !classes ||
    !hidden
  )
    throw new DinoSegError(
      'HEAD_MISMATCH',
      `A class_embed head has a weight of classes × hidden and a bias of classes; in ${path} they are ` +
        `${weight.shape.join('×')} and ${bias.shape.join('×')}.`,
    );
  return { weight, bias };
}

async function readOptimizer(
  path: string,
  values: HeadValues,
  metadata: Record<string, string>,
): Promise<OptimizerValues> {
  const keys = Object.values(optimizerKeys);
  const read = await readFloats(path, keys);
  const steps = Number(metadata['steps']);
  const sizesFit = keys.every(
    (key) => read[key]!.length === (key.endsWith('weight') ? values.weight.length : values.bias.length),
  );
  if (!sizesFit || !Number.isInteger(steps) || steps < 0)
    throw new DinoSegError(
      'CHECKPOINT_FORMAT',
      `${path} contains an optimiser state that does not match its weights.`,
    );
  return {
    expAvgWeight: read[optimizerKeys.expAvgWeight]!,
    expAvgBias: read[optimizerKeys.expAvgBias]!,
    expAvgSqWeight: read[optimizerKeys.expAvgSqWeight]!,
    expAvgSqBias: read[optimizerKeys.expAvgSqBias]!,
    steps,
  };
}
