/** Converts DINOv3 checkpoints to a network file, and writes a network file with the trained head. */
import { resolve } from 'node:path';
import { checkArgument, checkOptions, needed, oneOf, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { makeFolderOf } from '../files.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type { DetectorPlan, Inspection, SegmentorPlan } from '../native/bindings/engine.js';
import type { ClassHead } from './class-head.js';
import { LinearProbe } from './linear-probe.js';
import { headKind } from './open-head.js';
import { modelKind, type SegmentationModel } from './segmentation-model.js';

/** Options of {@link convert}: the checkpoints and the file to write. */
export interface ConvertModelOptions extends JobOptions {
  /** Backbone checkpoint (state dict): .pth or .safetensors. */
  backbone: string;
  /** Head checkpoint: the released head file, with the rest of the network. */
  head: string;
  /** TorchScript file to write. */
  out: string;
  /** Precision of the stored backbone weights. Default `float32`. */
  dtype?: 'float32' | 'bfloat16';
  /** Task of the head. Default `segmentation`. */
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
 * Builds a network from two checkpoints and writes it as a TorchScript file. The dimensions follow from the tensor
 * shapes. `onProgress` receives bytes written. A cancelled call leaves no file.
 *
 * @returns the structure of the network.
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_* (CHECKPOINT_KEYS lists missing, unexpected and misshapen keys,
 *   and reports a head of another task), HEAD_MISMATCH for a head of another backbone, DISK_FULL, IO,
 *   OUT_OF_MEMORY, INVALID_ARGUMENT; the signal's reason.
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
        `The output ${out} is one of the inputs. Choose another name.`,
      );
  await makeFolderOf(out);
  const settings = { backbone, head, out, dtype };
  return runJob<SegmentorPlan | DetectorPlan>(options, (job) =>
    task === 'detection' ? engine().convertDetector(settings, job) : engine().convertSegmentor(settings, job),
  );
}

/**
 * Reads keys, shapes and dtypes of a .pth, .safetensors or TorchScript file, without its values.
 *
 * @throws DinoSegError FILE_NOT_FOUND, CHECKPOINT_*; the signal's reason.
 */
export async function inspect(path: string, options: JobOptions = {}): Promise<Inspection> {
  checkArgument(path, text, 'inspect(path)');
  checkOptions(options, jobOptions, 'inspect()');
  return runJob(options, (job) => engine().inspect(path, job));
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
