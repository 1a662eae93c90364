/** Files that hold a linear probe. */
import { number, objectWith } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { floats } from './argument-kinds.js';
import { readFloats, writeFloats, type ShapedFloats } from './float-file.js';
import { headStrings, inspectHeadFile, type HeadMetadata } from './head-metadata.js';

/** Values of a linear probe. Shapes: K classes, C width of the features. */
export interface ProbeValues {
  /** Number of classes K. */
  classes: number;
  /** Width C of the features. */
  width: number;
  /** Weight of the 1×1 convolution, K×C row by row. */
  weight: Float32Array;
  /** Bias of the convolution, K. */
  bias: Float32Array;
  /** Weight of the batch norm, C. */
  gamma: Float32Array;
  /** Bias of the batch norm, C. */
  beta: Float32Array;
  /** Running mean of the batch norm, C. */
  runningMean: Float32Array;
  /** Running variance of the batch norm, C. */
  runningVar: Float32Array;
}

export const probeValuesKind = objectWith<ProbeValues>('the values of a linear probe', {
  ...{ classes: number, width: number, weight: floats, bias: floats },
  ...{ gamma: floats, beta: floats, runningMean: floats, runningVar: floats },
});

/** Names of the tensors, as PyTorch heads with the modules `batchnorm_layer` and `conv_seg` have them. */
export const probeKeys = {
  weight: 'conv_seg.weight',
  bias: 'conv_seg.bias',
  gamma: 'batchnorm_layer.weight',
  beta: 'batchnorm_layer.bias',
  runningMean: 'batchnorm_layer.running_mean',
  runningVar: 'batchnorm_layer.running_var',
} as const;
type Part = keyof typeof probeKeys;
const parts = Object.keys(probeKeys) as Part[];

function shapeOf(part: Part, classes: number, width: number): number[] {
  if (part === 'weight') return [classes, width, 1, 1];
  return part === 'bias' ? [classes] : [width];
}

/** Writes a probe (safetensors) atomically. @throws DinoSegError SHAPE, DISK_FULL, IO */
export async function writeProbeFile(
  path: string,
  values: ProbeValues,
  metadata: HeadMetadata,
): Promise<void> {
  const { classes, width } = values;
  const arrays: Record<string, ShapedFloats> = {};
  for (const part of parts)
    arrays[probeKeys[part]] = { data: values[part], shape: shapeOf(part, classes, width) };
  await writeFloats(path, arrays, headStrings('linear_probe', metadata));
}

/**
 * Reads a probe written by {@link writeProbeFile}.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_FORMAT for other files, newer versions and other kinds of heads,
 *   CHECKPOINT_KEYS, HEAD_MISMATCH if its shapes do not match.
 */
export async function readProbeFile(path: string): Promise<{ values: ProbeValues; metadata: HeadMetadata }> {
  const { inspection, metadata } = await inspectHeadFile(path, 'linear_probe');
  const shapes = new Map(inspection.tensors.map(({ name, shape }) => [name, shape]));
  const missing = Object.values(probeKeys).filter((key) => !shapes.has(key));
  if (missing.length > 0)
    throw new DinoSegError('CHECKPOINT_KEYS', `${path} has no tensor ${missing.join(', ')}.`);
  const [classes, width] = shapes.get(probeKeys.weight)!;
  for (const part of parts) {
    const expected = shapeOf(part, classes ?? 0, width ?? 0).join('×');
    const found = shapes.get(probeKeys[part])!.join('×');
    if (found !== expected || !classes || !width)
      throw new DinoSegError(
        'HEAD_MISMATCH',
        `${probeKeys[part]} of ${path} is ${found || 'a scalar'}; a linear probe has a weight of classes × width × 1 × 1 ` +
          `(${shapes.get(probeKeys.weight)!.join('×')} here), a bias of classes, and a batch norm of width.`,
      );
  }
  const read = await readFloats(path, Object.values(probeKeys));
  const values = Object.fromEntries(parts.map((part) => [part, read[probeKeys[part]]!])) as Record<
    Part,
    Float32Array
  >;
  return { values: { classes: classes!, width: width!, ...values }, metadata };
}
