/** Writes a network's outputs for given images to a safetensors file, for checks against other implementations. */
import { checkOptions, needed, optionsFor, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { ClassHead } from './class-head.js';
import { LinearProbe } from './linear-probe.js';
import { NetworkOutputs } from './network-outputs.js';
import { openHead } from './open-head.js';
import { DetectionModel, detectorLoadOptions } from './detection-model.js';
import { resolveDevice } from './device.js';
import { loadOptions, type LoadOptions } from './load-options.js';
import { SegmentationModel } from './segmentation-model.js';
import { Tensor } from './tensor.js';

/** Options of {@link forwardFile}: the files to read and to write. */
export interface ForwardFileOptions extends LoadOptions {
  /** Network file. */
  model: string;
  /** safetensors file with a tensor `image`: B×3×H×W float32, normalised. */
  input: string;
  /**
   * safetensors file to write (float32), with `queries`, `pred_logits` and `pred_masks`; for a backbone alone with
   * `features` and `layer_features`. With a linear probe, given or inside the network, also its `logits`
   * B×K×H×W at the images' size. For a detector it has
   * `pred_logits`, `pred_boxes` (centre x, centre y, width, height) and, best first and one per query, `scores`,
   * `labels` (int64) and `boxes` (x0, y0, x1, y1). For one image these last three have no dimension B. Boxes are in
   * pixels of the images.
   */
  output: string;
  /** Head file to use instead of the model's own head, a class_embed or a linear probe. Not for a detector. */
  head?: string;
}

const forwardFileOptions: OptionKinds<ForwardFileOptions> = {
  model: needed(text),
  input: needed(text),
  output: needed(text),
  head: text,
  ...loadOptions,
};

/** Outputs by name, to be disposed of. */
type Outputs = Record<string, Tensor>;

/**
 * Runs a network on a file of images.
 *
 * @returns the shapes of the written arrays.
 * @throws DinoSegError what loading, reading and writing throw; CHECKPOINT_KEYS if there is no `image`; MODEL_VALUES; SHAPE;
 *   INVALID_ARGUMENT for a head with a detector.
 */
export async function forwardFile(options: ForwardFileOptions): Promise<Record<string, readonly number[]>> {
  checkOptions(options, forwardFileOptions, 'forwardFile()');
  using images = await readImages(options.input);
  const run = (await isDetector(options.model)) ? detectorOutputs : segmentorOutputs;
  const outputs = await run(images, options);
  try {
    const handles = Object.entries(outputs).map(([name, tensor]) => [name, tensor.handle] as const);
    await engine().writeSafetensors(options.output, Object.fromEntries(handles), {});
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.shape]));
  } finally {
    for (const tensor of Object.values(outputs)) tensor.dispose();
  }
}

/** Recognises a detector by the file's keys. Whether the file is a network at all is checked on loading. */
async function isDetector(path: string): Promise<boolean> {
  try {
    const { tensors } = await engine().inspect(path);
    return tensors.some(({ name }) => /(^|\.)class_embed\.\d+\.weight$/.test(name));
  } catch {
    return false;
  }
}

async function segmentorOutputs(images: Tensor, options: ForwardFileOptions): Promise<Outputs> {
  const [passSize, , height, width] = images.shape as [number, number, number, number];
  const use = { passSize, imageSize: { width, height } };
  using model = await SegmentationModel.load(options.model, onFirst(optionsFor(loadOptions, options)), use);
  using given = options.head ? await openHead(options.head, { device: model.device }) : undefined;
  given?.assertFits(model);
  const decodes = model.provides.includes('decoded');
  const probe = given ?? (model.hasProbe ? model.ownHead() : undefined);
  return {
    ...(decodes
      ? await decodedOutputs(images, model, given instanceof ClassHead ? given : undefined, options)
      : await featureOutputs(images, model, options)),
    ...(probe instanceof LinearProbe && { logits: await probeLogits(images, model, probe, options) }),
  };
}

async function decodedOutputs(
  images: Tensor,
  model: SegmentationModel,
  head: ClassHead | undefined,
  { signal }: ForwardFileOptions,
): Promise<Outputs> {
  const result = await model.forward(images, { signal });
  using queries = result.queries;
  using predMasks = result.predMasks;
  using ownLogits = result.predLogits;
  using headLogits = await head?.forward(queries);
  return {
    queries: await floatsOf(queries),
    pred_logits: headLogits ? await finiteFloatsOf(headLogits, model) : await floatsOf(ownLogits),
    pred_masks: await floatsOf(predMasks),
  };
}

async function featureOutputs(
  images: Tensor,
  model: SegmentationModel,
  { signal }: ForwardFileOptions,
): Promise<Outputs> {
  using features = await model.features(images, { signal });
  const outputs: Outputs = { features: await floatsOf(features) };
  if (!model.provides.includes('layer_features')) return outputs;
  using layers = await model.layerFeatures(images, { signal });
  return { ...outputs, layer_features: await floatsOf(layers) };
}

/** Of the probe at the images' size, B×K×H×W. */
async function probeLogits(
  images: Tensor,
  model: SegmentationModel,
  probe: LinearProbe,
  { signal }: ForwardFileOptions,
): Promise<Tensor> {
  using features =
    probe.layers === 4
      ? await model.layerFeatures(images, { signal })
      : await model.features(images, { signal });
  const [, , height, width] = images.shape as [number, number, number, number];
  const size = { width, height, scoring: 'recipe' } as const;
  const outputs = new NetworkOutputs(undefined, features).handles;
  using logits = Tensor.wrap(await engine().headScores(probe.handle, outputs, size));
  return finiteFloatsOf(logits, model);
}

async function detectorOutputs(images: Tensor, options: ForwardFileOptions): Promise<Outputs> {
  if (options.head)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `${options.model} is a detector, which does not accept a head.`,
    );
  using model = await DetectionModel.load(options.model, onFirst(optionsFor(detectorLoadOptions, options)));
  const { signal } = options;
  const result = await model.forward(images, { signal });
  using predLogits = result.predLogits;
  using predBoxes = result.predBoxes;
  const [, , height, width] = images.shape as [number, number, number, number];
  const settings = { width, height, top: predLogits.shape[1]! };
  const best = await engine().bestDetections(predLogits.handle, predBoxes.handle, settings);
  using scores = Tensor.wrap(best.scores);
  using labels = Tensor.wrap(best.labels);
  using boxes = Tensor.wrap(best.boxes);
  const one = images.shape[0] === 1 ? 1 : 0;
  return {
    pred_logits: await floatsOf(predLogits),
    pred_boxes: await floatsOf(predBoxes),
    scores: Tensor.from(await scores.data(), scores.shape.slice(one)),
    labels: Tensor.from(await labels.data(), labels.shape.slice(one)),
    boxes: Tensor.from(await boxes.data(), boxes.shape.slice(one)),
  };
}

/** A single pass needs no other device. */
function onFirst<T extends Pick<LoadOptions, 'device'>>(options: T): T {
  return { ...options, device: resolveDevice(options.device) };
}

/** On the CPU in float32. */
async function floatsOf(tensor: Tensor): Promise<Tensor> {
  return Tensor.from(await tensor.floats(), tensor.shape);
}

/** What a head made of outputs B×…. @throws DinoSegError MODEL_VALUES */
async function finiteFloatsOf(tensor: Tensor, { path }: SegmentationModel): Promise<Tensor> {
  const values = await tensor.floats();
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return Tensor.from(values, tensor.shape);
  const image = Math.floor((wrong * tensor.shape[0]!) / values.length);
  throw new DinoSegError(
    'MODEL_VALUES',
    `The head gave NaN or infinite values for image ${image + 1} of the pass of ${path}, from which nothing can be read. The head's ` +
      'weights are damaged, or belong to another network: train it again, or use an earlier file.',
  );
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
