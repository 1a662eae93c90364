/** Files that hold a linear probe: this package's own and foreign ones. */
import { either, kind, number, objectWith } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { CheckpointEntry, Inspection } from '../native/bindings/engine.js';
import { floats } from './argument-kinds.js';
import { readFloats, writeFloats, type ShapedFloats } from './float-file.js';
import { headKindOf, headStrings, inspectHeadFile, isHeadFile, type HeadMetadata } from './head-metadata.js';

/** Layers of the backbone that a probe reads side by side: the last one, or the four tapped ones. */
export type ProbeLayers = 1 | 4;

/** Values of a linear probe. Shapes: K classes, C width of the features. */
export interface ProbeValues {
  /** Number of classes K. */
  classes: number;
  /** Width C of the features, of all layers together. */
  width: number;
  /** Number of layers that the features are of. Default 1. */
  layers?: ProbeLayers;
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
  layers: either(
    kind<undefined>('undefined', (value) => value === undefined),
    kind<ProbeLayers>('1 or 4', (value) => value === 1 || value === 4),
  ),
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

/** What a file's header states of a probe's layers: nothing of one. */
export function layerStrings(layers: ProbeLayers = 1): Record<string, string> {
  return layers === 1 ? {} : { layers: String(layers) };
}

/** Writes a probe (safetensors) atomically. @throws DinoSegError SHAPE, DISK_FULL, IO */
export async function writeProbeFile(
  path: string,
  values: ProbeValues,
  metadata: HeadMetadata,
): Promise<void> {
  const { classes, width, layers } = values;
  const arrays: Record<string, ShapedFloats> = {};
  for (const part of parts)
    arrays[probeKeys[part]] = { data: values[part], shape: shapeOf(part, classes, width) };
  const strings = headStrings('linear_probe', metadata);
  await writeFloats(path, arrays, { ...strings, ...layerStrings(layers) });
}

/**
 * Reads a probe written by {@link writeProbeFile}.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_FORMAT for other files, newer versions and other kinds of heads,
 *   CHECKPOINT_KEYS, HEAD_MISMATCH if its shapes do not match.
 */
export async function readProbeFile(path: string): Promise<{ values: ProbeValues; metadata: HeadMetadata }> {
  const { inspection, metadata } = await inspectHeadFile(path, 'linear_probe');
  const layers = inspection.metadata['layers'] ?? '1';
  if (layers !== '1' && layers !== '4')
    throw new DinoSegError(
      'CHECKPOINT_FORMAT',
      `${path}: a linear probe reads 1 or 4 layers; its metadata "layers" is ${layers}. Update the package.`,
    );
  const values = await readValues(path, inspection.tensors, probeKeys);
  return { values: { ...values, ...(layers === '4' && { layers: 4 }) }, metadata };
}

const batchNorm = /(^|\.)batchnorm_layer\.running_mean$/;

/** Whether a file contains a linear probe, its own or foreign. */
export function holdsProbe(inspection: Inspection): boolean {
  if (isHeadFile(inspection)) return headKindOf(inspection) === 'linear_probe';
  return inspection.tensors.some(({ name }) => batchNorm.test(name));
}

/**
 * Reads the only linear head of any checkpoint: `…batchnorm_layer.*` and, beside it, `conv.*` (DINOv3's own linear
 * segmentor) or `conv_seg.*`.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* for unreadable files, CHECKPOINT_KEYS unless there is exactly one
 *   such head, HEAD_MISMATCH if its shapes do not match.
 */
export async function readForeignProbe(path: string): Promise<ProbeValues> {
  const { tensors } = await engine().inspect(path);
  const found = tensors.flatMap(({ name }) => (batchNorm.test(name) ? [name] : []));
  const [first] = found;
  if (first === undefined || found.length > 1)
    throw new DinoSegError(
      'CHECKPOINT_KEYS',
      `${path} should contain exactly one linear head: …batchnorm_layer.running_mean, and a convolution beside it. It contains ` +
        `${found.join(', ') || `none among its ${tensors.length} tensors`}.`,
    );
  const prefix = first.slice(0, -'batchnorm_layer.running_mean'.length);
  const names = new Set(tensors.map(({ name }) => name));
  const conv = names.has(`${prefix}conv_seg.weight`) ? 'conv_seg' : 'conv';
  const keys = Object.entries(probeKeys).map(([part, key]) => [
    part,
    prefix + key.replace('conv_seg', conv),
  ]) as [Part, string][];
  return readValues(path, tensors, Object.fromEntries(keys) as Record<Part, string>);
}

async function readValues(
  path: string,
  entries: readonly CheckpointEntry[],
  keys: Readonly<Record<Part, string>>,
): Promise<ProbeValues> {
  const shapes = new Map(entries.map(({ name, shape }) => [name, shape]));
  const missing = Object.values(keys).filter((key) => !shapes.has(key));
  if (missing.length > 0)
    throw new DinoSegError('CHECKPOINT_KEYS', `${path} has no tensor ${missing.join(', ')}.`);
  const [classes, width] = shapes.get(keys.weight)!;
  for (const part of parts) {
    const expected = shapeOf(part, classes ?? 0, width ?? 0).join('×');
    const found = shapes.get(keys[part])!.join('×');
    if (found !== expected || !classes || !width)
      throw new DinoSegError(
        'HEAD_MISMATCH',
        `${keys[part]} of ${path} is ${found || 'a scalar'}; a linear probe has a weight of classes × width × 1 × 1 ` +
          `(${shapes.get(keys.weight)!.join('×')} here), a bias of classes, and a batch norm of width.`,
      );
  }
  const read = await readFloats(path, Object.values(keys));
  const values = parts.map((part) => [part, read[keys[part]]!]);
  return {
    classes: classes!,
    width: width!,
    ...(Object.fromEntries(values) as Record<Part, Float32Array>),
  };
}
