/** Metadata of this package's head files, for all kinds of heads. */
import type { ClassSet } from '../data/class-set.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { shown } from '../json.js';
import type { Inspection } from '../native/bindings/engine.js';
import { parseClassSet, stringifyClassSet } from './class-set-json.js';

const formatName = 'dinov3-seg head';
const formatVersion = 1;

/** Precision of a head's linear layer: `bfloat16` computes as under autocast. Weights are float32 in both cases. */
export type Precision = 'bfloat16' | 'float32';

/** Metadata of a head file. */
export interface HeadMetadata {
  /** Names, colours and label mapping of the classes; null if the file does not state them. */
  classSet: ClassSet | null;
  /** Precision that the head was trained with. */
  precision: Precision;
  /** Epoch (from 1) after which the head was saved. */
  epoch?: number;
  /** mIoU on the validation set after that epoch, 0…1. */
  mIoU?: number;
  /** {@link SegmentationModel.id} of the network it was trained on. */
  modelId?: string;
  /** Input size (width and height) in pixels that the head was trained at. */
  imageSize?: number;
  /** State of the training run as JSON, in files that training can resume from. */
  run?: string;
}

/** Kind of head in a head file; files without a kind contain a class_embed. */
export type HeadKind = 'class_embed' | 'linear_probe';

const kinds: Record<HeadKind, { name: string; advice: string }> = {
  class_embed: { name: 'a class_embed head', advice: 'Use ClassHead.load().' },
  linear_probe: {
    name: 'a linear probe',
    advice: 'Use LinearProbe.load(), or a class_embed head where one is needed.',
  },
};

/** Whether a file was written by this package. */
export function isHeadFile(inspection: Inspection): boolean {
  return inspection.metadata['format'] === formatName;
}

/** What a file of this package holds. */
export function headKindOf({ metadata }: Inspection): string {
  return metadata['kind'] ?? 'class_embed';
}

/** The texts of a file's header. */
export function headStrings(kind: HeadKind, metadata: HeadMetadata): Record<string, string> {
  const { classSet, precision, epoch, mIoU, modelId, imageSize, run } = metadata;
  return {
    format: formatName,
    formatVersion: String(formatVersion),
    // Not said of a class_embed, so that its files stay what they were.
    ...(kind !== 'class_embed' && { kind }),
    precision,
    ...(classSet && { classes: stringifyClassSet(classSet) }),
    ...(epoch !== undefined && { epoch: String(epoch) }),
    ...(mIoU !== undefined && { mIoU: String(mIoU) }),
    ...(modelId !== undefined && { modelId }),
    ...(imageSize !== undefined && { imageSize: String(imageSize) }),
    ...(run !== undefined && { run }),
  };
}

/**
 * Looks into a head file of this package.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_FORMAT for other files, newer versions, another kind of head and
 *   damaged metadata.
 */
export async function inspectHeadFile(
  path: string,
  kind: HeadKind,
): Promise<{ inspection: Inspection; metadata: HeadMetadata }> {
  const inspection = await engine().inspect(path);
  const refuse = (message: string) => new DinoSegError('CHECKPOINT_FORMAT', `${path} ${message}`);
  if (!isHeadFile(inspection))
    throw refuse(
      `is not a head file of this package (its metadata has no format "${formatName}").` +
        (kind === 'class_embed' ? ' Use ClassHead.import() for checkpoints from elsewhere.' : ''),
    );
  const version = Number(inspection.metadata['formatVersion']);
  if (version !== formatVersion)
    throw refuse(
      `has head format ${inspection.metadata['formatVersion']}; this release reads ${formatVersion}. Update the package.`,
    );
  const found = headKindOf(inspection);
  if (found !== kind) {
    const known = Object.entries(kinds).find(([name]) => name === found)?.[1];
    throw refuse(
      known
        ? `holds ${known.name}, not ${kinds[kind].name}. ${known.advice}`
        : `contains a head of kind "${found}", which this release does not know. Update the package.`,
    );
  }
  return { inspection, metadata: parseMetadata(path, inspection.metadata) };
}

function parseMetadata(path: string, metadata: Record<string, string>): HeadMetadata {
  const { classes, precision, epoch, mIoU, modelId, imageSize, run } = metadata;
  const damaged = (key: string, what = shown(metadata[key])) =>
    new DinoSegError('CHECKPOINT_FORMAT', `${path}: its metadata "${key}" cannot be read: ${what}.`);
  if (precision !== 'bfloat16' && precision !== 'float32') throw damaged('precision');
  const classSet = classes === undefined ? null : parseClassSet(classes, (what) => damaged('classes', what));
  for (const key of ['epoch', 'mIoU', 'imageSize'] as const)
    if (metadata[key] !== undefined && !Number.isFinite(Number(metadata[key] || 'x'))) throw damaged(key);
  return {
    classSet,
    precision,
    ...(epoch !== undefined && { epoch: Number(epoch) }),
    ...(mIoU !== undefined && { mIoU: Number(mIoU) }),
    ...(modelId !== undefined && { modelId }),
    ...(imageSize !== undefined && { imageSize: Number(imageSize) }),
    ...(run !== undefined && { run }),
  };
}
