/** The network's outputs for images in a safetensors file: for checks against other implementations. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { ClassHead } from './class-head.js';
import { SegmentationModel, type LoadOptions } from './segmentation-model.js';
import { Tensor } from './tensor.js';

/** Which files to read and write. */
export interface ForwardFileOptions extends LoadOptions {
  /** The network file. */
  model: string;
  /** safetensors with `image`: B×3×H×W float32, normalised. */
  input: string;
  /** safetensors to write: `queries`, `pred_logits`, `pred_masks`, all float32. */
  output: string;
  /** Scores with this head in place of the model's own class_embed. */
  head?: string;
}

/**
 * Runs a network on a file of images.
 *
 * @returns the shapes of the written arrays.
 * @throws DinoSegError what loading, reading and writing throw; CHECKPOINT_KEYS without an `image`; SHAPE.
 */
export async function forwardFile(options: ForwardFileOptions): Promise<Record<string, readonly number[]>> {
  using images = await readImages(options.input);
  using model = await SegmentationModel.load(options.model, options);
  using head = options.head ? await ClassHead.open(options.head, { device: model.device }) : undefined;
  head?.assertFits(model);
  const { signal } = options;
  const result = await model.forward(images, { signal });
  using queries = result.queries;
  using predMasks = result.predMasks;
  using ownLogits = result.predLogits;
  using headLogits = await head?.forward(queries);
  const outputs = { queries, pred_logits: headLogits ?? ownLogits, pred_masks: predMasks };
  await writeFloats(options.output, outputs);
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.shape]));
}

async function readImages(path: string): Promise<Tensor> {
  const { tensors } = await engine().inspect(path);
  if (!tensors.some(({ name }) => name === 'image'))
    throw new DinoSegError(
      'CHECKPOINT_KEYS',
      `${path} should hold a tensor "image" (B×3×H×W, normalised); it holds ` +
        `${tensors.map(({ name }) => name).join(', ') || 'nothing'}.`,
    );
  const read = await engine().readTensors(path, ['image']);
  using stored = Tensor.wrap(read.tensors['image']!);
  return Tensor.from(await stored.floats(), stored.shape);
}

async function writeFloats(path: string, outputs: Record<string, Tensor>): Promise<void> {
  const floats: Record<string, Tensor> = {};
  try {
    for (const [name, tensor] of Object.entries(outputs))
      floats[name] = Tensor.from(await tensor.floats(), tensor.shape);
    const handles = Object.entries(floats).map(([name, tensor]) => [name, tensor.handle] as const);
    await engine().writeSafetensors(path, Object.fromEntries(handles), {});
  } finally {
    for (const tensor of Object.values(floats)) tensor.dispose();
  }
}
