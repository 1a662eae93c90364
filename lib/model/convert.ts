/** From DINOv3 checkpoints to a network file, and back to a file with the trained head inside. */
import { resolve } from 'node:path';
import { checkArgument, checkOptions, needed, oneOf, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { makeFolderOf } from '../files.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type { DetectorPlan, Inspection, SegmentorPlan } from '../native/bindings/engine.js';
import { classHeadKind, type ClassHead } from './class-head.js';
import { modelKind, type SegmentationModel } from './segmentation-model.js';

/** From which checkpoints, and to which file. */
export interface ConvertModelOptions extends JobOptions {
  /** The backbone's state dict: .pth or .safetensors. */
  backbone: string;
  /** The rest of the network: the released head file. */
  head: string;
  /** The TorchScript file to write. */
  out: string;
  /** Precision of the stored backbone weights. Default `float32`. */
  dtype?: 'float32' | 'bfloat16';
  /** What the head is for. Default `segmentation`. */
  task?: 'segmentation' | 'detection';
}

const convertOptions: OptionKinds<ConvertModelOptions> = {
  backbone: needed(text),
  head: needed(text),
  out: needed(text),
  dtype: oneOf(['float32', 'bfloat16']),
  task: oneOf(['segmentation', 'detection']),
  ...jobOptions,
};

/**
 * Builds the network of two checkpoints and writes it as a TorchScript file. Dimensions come from the shapes.
 * `onProgress` hears bytes written; stopped, it leaves nothing behind.
 *
 * @returns what the network is made of.
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* (CHECKPOINT_KEYS lists missing, superfluous and misshapen keys, and
 *   names a head of another task), HEAD_MISMATCH for a head of another backbone, DISK_FULL, IO, OUT_OF_MEMORY,
 *   INVALID_ARGUMENT; the signal's reason.
 */
export async function convert(options: ConvertModelOptions & { task: 'detection' }): Promise<DetectorPlan>;
export async function convert(
  options: ConvertModelOptions & { task?: 'segmentation' },
): Promise<SegmentorPlan>;
export async function convert(options: ConvertModelOptions): Promise<SegmentorPlan | DetectorPlan>;
export async function convert(options: ConvertModelOptions): Promise<SegmentorPlan | DetectorPlan> {
  checkOptions(options, convertOptions, 'convert()');
  const { backbone, head, out, dtype = 'float32', task = 'segmentation' } = options;
  for (const input of [backbone, head])
    if (resolve(input) === resolve(out))
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The output ${out} is one of the inputs; give another name.`,
      );
  await makeFolderOf(out);
  const settings = { backbone, head, out, dtype };
  return runJob<SegmentorPlan | DetectorPlan>(options, (job) =>
    task === 'detection' ? engine().convertDetector(settings, job) : engine().convertSegmentor(settings, job),
  );
}

/**
 * Keys, shapes and dtypes of a .pth, .safetensors or TorchScript file, without reading its values.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_*; the signal's reason.
 */
export async function inspect(path: string, options: JobOptions = {}): Promise<Inspection> {
  checkArgument(path, text, 'inspect(path)');
  checkOptions(options, jobOptions, 'inspect()');
  return runJob(options, (job) => engine().inspect(path, job));
}

/**
 * Writes a TorchScript file with the head's weights in place of the model's own class_embed. `onProgress` hears bytes
 * written; stopped, it leaves nothing behind.
 *
 * @throws DinoSegError HEAD_MISMATCH, DISK_FULL, IO, DISPOSED; the signal's reason.
 */
export async function exportModel(
  model: SegmentationModel,
  head: ClassHead,
  out: string,
  options: JobOptions = {},
): Promise<void> {
  checkArgument(model, modelKind, 'exportModel(model)');
  checkArgument(head, classHeadKind, 'exportModel(head)');
  checkArgument(out, text, 'exportModel(out)');
  checkOptions(options, jobOptions, 'exportModel()');
  const handles = [model.handle, head.handle] as const;
  head.assertFits(model);
  if (resolve(model.path) === resolve(out))
    throw new DinoSegError('INVALID_ARGUMENT', `The output ${out} is the network itself; give another name.`);
  await makeFolderOf(out);
  const call = runJob(options, (job) => engine().exportModel(...handles, out, job));
  await model.calls.add(head.calls.add(call));
}
