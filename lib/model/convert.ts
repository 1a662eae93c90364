/** Converts DINOv3 checkpoints to a network file, and writes a network file with the trained head. */
import { resolve } from 'node:path';
import {
  checkArgument,
  checkOptions,
  either,
  needed,
  number,
  oneOf,
  text,
  type OptionKinds,
} from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { makeFolderOf } from '../files.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type {
  ConvertedBackbone,
  ConvertedDetector,
  ConvertedPlan,
  ConvertedSegmentor,
  Inspection,
  Normalization,
  RecognisedBackbone,
} from '../native/bindings/engine.js';
import { withoutUndefined } from '../without-undefined.js';
import { normalizationKind } from './argument-kinds.js';
import { checkpointSource, type ResolvedSource } from './checkpoint-source.js';
import type { ClassHead } from './class-head.js';
import { LinearProbe } from './linear-probe.js';
import {
  isSameNormalization,
  normalizationNames,
  normalizations,
  normalizationText,
  type NormalizationName,
} from './normalization.js';
import { headKind } from './open-head.js';
import { modelKind, type SegmentationModel } from './segmentation-model.js';

/** Options of {@link convert}: the checkpoints and the file to write. */
export interface ConvertModelOptions extends JobOptions {
  /**
   * Backbone: a file with a state dict (.pth, .safetensors), a network file that contains it, or a folder as Hugging
   * Face's libraries save it. The keys may have Meta's, Hugging Face's or timm's layout.
   */
  backbone: string;
  /**
   * Head checkpoint: the released head file, with the rest of the network, or a linear head as DINOv3's own evaluation
   * saves it. Default: none; the network is the backbone alone.
   */
  head?: string;
  /** TorchScript file to write. */
  out: string;
  /** Precision of the stored backbone weights. Default `float32`. */
  dtype?: 'float32' | 'bfloat16';
  /** Task of the head. Default `segmentation`. */
  task?: 'segmentation' | 'detection';
  /**
   * Mean and standard deviation of the images that the backbone was trained on. `lvd`: web images; `sat`: satellite
   * images; or the values. Default: as `preprocessor_config.json` beside the weights says, or the network file that
   * they are taken from, else `lvd`.
   */
  normalization?: NormalizationName | Normalization;
  /**
   * Number of attention heads, for backbone files that neither state it nor have the width of a released backbone.
   * Default: as the files say.
   */
  attentionHeads?: number;
}

const convertOptions: OptionKinds<ConvertModelOptions> = {
  backbone: needed(text),
  head: text,
  out: needed(text),
  dtype: oneOf(['float32', 'bfloat16']),
  task: oneOf(['segmentation', 'detection']),
  normalization: either(oneOf(normalizationNames), normalizationKind),
  attentionHeads: number,
  ...jobOptions,
};

/**
 * Builds a network from a backbone and a head, or from a backbone alone, and writes it as a TorchScript file. A folder
 * of transformers with a whole EoMT network gives that network, and so does a head's file with EoMT's differences to
 * the backbone. The dimensions follow from the tensor shapes. `onProgress` receives bytes written. A cancelled call leaves no file.
 *
 * @returns the structure of the network, and notes about the files: which layout their keys have, what was taken off or
 *   derived.
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* (CHECKPOINT_KEYS lists missing, unexpected and misshapen keys, and
 *   reports a head of another task; CHECKPOINT_VALUES lists keys with NaN or infinite values), HEAD_MISMATCH for a head
 *   of another backbone, DISK_FULL, IO, OUT_OF_MEMORY, INVALID_ARGUMENT; the signal's reason.
 */
export async function convert(
  options: ConvertModelOptions & { task: 'detection' },
): Promise<ConvertedDetector>;
export async function convert(
  options: ConvertModelOptions & { task?: 'segmentation'; head: string },
): Promise<ConvertedSegmentor>;
export async function convert(
  options: ConvertModelOptions & { task?: 'segmentation'; head?: undefined },
): Promise<ConvertedBackbone | ConvertedSegmentor>;
export async function convert(options: ConvertModelOptions): Promise<ConvertedPlan>;
export async function convert(options: ConvertModelOptions): Promise<ConvertedPlan> {
  checkOptions(options, convertOptions, 'convert()');
  const { backbone, head, out, dtype = 'float32', task = 'segmentation', attentionHeads } = options;
  if (attentionHeads !== undefined && !(Number.isInteger(attentionHeads) && attentionHeads > 0))
    throw new DinoSegError('INVALID_ARGUMENT', `attentionHeads should be at least 1, not ${attentionHeads}.`);
  const [body, top] = await Promise.all([
    checkpointSource(backbone),
    head === undefined ? undefined : checkpointSource(head),
  ]);
  for (const input of [backbone, head, ...body.files, ...(top?.files ?? [])])
    if (input !== undefined && resolve(input) === resolve(out))
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The output ${out} is one of the inputs. Choose another name.`,
      );
  await makeFolderOf(out);
  const { normalization, notes } = await normalizationOf(body, options.normalization);
  const config = { ...body.config, ...withoutUndefined({ attentionHeads }) };
  const settings = { backbone: { ...body, config }, out, dtype, task, normalization };
  const converted = await runJob(options, (job) =>
    engine().convertNetwork({ ...settings, ...withoutUndefined({ head: top }) }, job),
  );
  return { ...converted, notes: [...converted.notes, ...notes] };
}

/** The given normalisation, else what the backbone's files say, and what a person should know of the choice. */
async function normalizationOf(
  { path, files, preprocessor }: ResolvedSource,
  given: ConvertModelOptions['normalization'],
): Promise<{ normalization: Normalization; notes: string[] }> {
  const chosen = typeof given === 'string' ? normalizations[given] : given;
  const recorded = await engine().recordedNormalization(files[0]!);
  const found = preprocessor ?? recorded;
  const place = preprocessor ? 'preprocessor_config.json' : path;
  if (!found) return { normalization: chosen ?? normalizations.lvd, notes: [] };
  const text = normalizationText(found);
  if (!chosen) return { normalization: found, notes: [`normalization of ${place}: ${text}`] };
  const notes = isSameNormalization(chosen, found)
    ? []
    : [`normalization: ${normalizationText(chosen)} as given; ${place} has ${text}`];
  return { normalization: chosen, notes };
}

/** Contents of a checkpoint: of its files together, and what they are. */
export interface CheckpointInspection extends Inspection {
  /** Paths of the files: one, or the shards of a folder. */
  files: string[];
  /** The DINOv3 backbone in it, if its keys have a known layout. */
  backbone?: RecognisedBackbone;
}

/**
 * Reads keys, shapes and dtypes of a .pth, .safetensors or TorchScript file, or of the weights in a folder, without their
 * values.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_*; the signal's reason.
 */
export async function inspect(path: string, options: JobOptions = {}): Promise<CheckpointInspection> {
  checkArgument(path, text, 'inspect(path)');
  checkOptions(options, jobOptions, 'inspect()');
  const source = await checkpointSource(path, { toList: true });
  const { summary, ...found } = await runJob(options, (job) => engine().inspectSource(source, job));
  return { ...summary, files: source.files, ...found };
}

/**
 * Writes a TorchScript file that includes a head. The weights of a {@link ClassHead} replace the model's own
 * class_embed. With a {@link LinearProbe}, the file contains the network's backbone and the probe, whose class logits
 * B×K×H×W its method `forward(images)` returns at the images' size; adapter and decoder of a network that has them are
 * left out, since the probe does not use them. Loaded again, the head is the model's {@link SegmentationModel.ownHead}.
 * `onProgress` receives bytes written. A cancelled call leaves no file.
 *
 * @throws DinoSegError HEAD_MISMATCH, MODEL_FORMAT for a probe with a network that `convert` did not make, DISK_FULL, IO,
 *   DISPOSED; the signal's reason.
 */
export async function exportModel(
  model: SegmentationModel,
  head: ClassHead | LinearProbe,
  out: string,
  options: JobOptions = {},
): Promise<void> {
  checkArgument(model, modelKind, 'exportModel(model)');
  checkArgument(head, headKind, 'exportModel(head)');
  checkArgument(out, text, 'exportModel(out)');
  checkOptions(options, jobOptions, 'exportModel()');
  const handles = [model.handle, head.handle] as const;
  head.assertFits(model);
  if (resolve(model.path) === resolve(out))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The output ${out} is the network itself. Choose another name.`,
    );
  await makeFolderOf(out);
  const call = runJob(options, (job) =>
    head instanceof LinearProbe
      ? engine().exportWithProbe(...handles, out, job)
      : engine().exportModel(...handles, out, job),
  );
  await model.calls.add(head.calls.add(call));
}
