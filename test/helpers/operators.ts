/** The engine's operators with their operands' names and types; they are defined in cpp/ops/{score,network}_ops.h. */
import { engine } from '../../lib/native/engine.js';
import type {
  NetworkPrecision,
  Operand,
  RandomNetwork,
  TensorHandle,
} from '../../lib/native/bindings/engine.js';

export type ComputedDType = 'float32' | 'bfloat16' | 'float16' | 'float64';

/** What is compared with a pixel's label: softmax of the scores as logits, or the scores' shares. */
export type ScoreLoss = 'cross-entropy' | 'nll';

/** `plain`: libtorch's own operators instead of a fused kernel. */
interface CallOptions {
  plain?: boolean;
}

/** Of operators that are there for tests alone. */
const reference = { plain: true };

async function call<Result = TensorHandle>(
  name: string,
  operands: readonly Operand[],
  { plain = false }: CallOptions,
): Promise<Result> {
  const space = plain ? 'dinov3_seg_reference' : 'dinov3_seg';
  return (await engine().callOperator(`${space}::${name}`, operands)) as Result;
}

/** The tensor on another device, in another dtype. */
export async function moved(
  tensor: TensorHandle,
  to: { device?: string; dtype?: ComputedDType },
): Promise<TensorHandle> {
  const operands = [tensor, to.dtype, undefined, to.device];
  return (await engine().callOperator('aten::to.dtype_layout', operands)) as TensorHandle;
}

/** A view of columns of the last dimension. */
export async function columnsOf(tensor: TensorHandle, first: number, count: number): Promise<TensorHandle> {
  return (await engine().callOperator('aten::narrow', [tensor, -1, first, count])) as TensorHandle;
}

/** Σ w·loss and Σ w, B×N×2 float64, of scores B×N×K×h×w and labels B×H×W, and the gradient by the scores. */
export async function scoreLoss(
  scores: TensorHandle,
  labels: TensorHandle,
  options: CallOptions & {
    /** One a head. */
    losses: readonly ScoreLoss[];
    /** N×K float32. Default: 1. */
    classWeights?: TensorHandle;
    gradient?: boolean;
  },
): Promise<{ sums: TensorHandle; gradient?: TensorHandle }> {
  const { classWeights, losses, gradient = false } = options;
  const numbers = losses.map((loss) => (loss === 'nll' ? 1 : 0));
  const operands = [scores, labels, classWeights, numbers, gradient];
  const [sums, slope] = await call<[TensorHandle, TensorHandle | undefined]>('score_loss', operands, options);
  return { sums, ...(slope && { gradient: slope }) };
}

/** Confusion counts B×N×K×K int64 (rows truth) of scores and labels as in {@link scoreLoss}. */
export const scoreCounts = (scores: TensorHandle, labels: TensorHandle, options: CallOptions = {}) =>
  call('score_counts', [scores, labels], options);

/** The gradient of one class_embed's mean cross entropy by libtorch's autograd; weight K×C, bias K. */
export async function classEmbedGradients(
  { weight, bias }: { weight: TensorHandle; bias: TensorHandle },
  batch: { queries: TensorHandle; masks: TensorHandle; labels: TensorHandle },
  dtype: ComputedDType,
): Promise<{ dWeight: TensorHandle; dBias: TensorHandle }> {
  const operands = [weight, bias, batch.queries, batch.masks, batch.labels, dtype];
  const [dWeight, dBias] = await call<[TensorHandle, TensorHandle]>(
    'class_embed_gradients',
    operands,
    reference,
  );
  return { dWeight, dBias };
}

/** How often an operator stands in what a method of a network's file, or of a detector's, runs on the CPU. */
export const countOperator = (
  path: string,
  precision: NetworkPrecision,
  method: string,
  name: string,
  { detector = false } = {},
) => call<number>('count_operator', [path, precision, method, name, detector], reference);

/** The column of each row of costs rows×columns at least total cost, −1 for rows left over: int32. */
export const leastCostAssignment = (costs: TensorHandle) => call('least_cost_assignment', [costs], reference);

/** Weights of one key of a random network's checkpoint. `operators`: drawn as on a GPU, on any device. */
export const randomTensor = (
  { architecture, seed, dtype, device }: RandomNetwork,
  key: string,
  operators = false,
) => call('random_tensor', [architecture, seed, dtype, device, key, operators], reference);

/** Writes random checkpoints of a named architecture: backbone and head as .safetensors. */
export async function initCheckpoint(options: {
  architecture: string;
  seed: number;
  backbone: string;
  head: string;
}): Promise<void> {
  const { architecture, seed, backbone, head } = options;
  await call('init_checkpoint', [architecture, seed, backbone, head], reference);
}

/** Tensors that an AdamW step changes, N×P, and its coefficients, N×5. */
interface AdamwTensors {
  value: TensorHandle;
  gradient: TensorHandle;
  expAvg: TensorHandle;
  expAvgSq: TensorHandle;
  coefficients: TensorHandle;
}

/** A step of N heads in place; gives the gradients' norms before clipping, N float32. */
export const adamwStep = (
  { value, gradient, expAvg, expAvgSq, coefficients }: AdamwTensors,
  options: CallOptions & { beta1: number; beta2: number; epsilon: number },
) => {
  const { beta1, beta2, epsilon } = options;
  const operands = [value, gradient, expAvg, expAvgSq, coefficients, beta1, beta2, epsilon];
  return call('adamw_step', operands, options);
};

/** What deformable attention takes; the heads are counted by the offsets. */
interface DeformableTensors {
  /** B×S×(M·D). */
  value: TensorHandle;
  /** Height and width of each level. */
  sizes: readonly number[];
  /** 1×Q×2, (x, y) with 0…1 across a map. */
  reference: TensorHandle;
  /** B×Q×M×L×P×2, pixels of their level. */
  offsets: TensorHandle;
  /** B×Q×M×(L·P). */
  logits: TensorHandle;
}

/** B×Q×(M·D) in the value's dtype. */
export async function deformableAttend(tensors: DeformableTensors, options: CallOptions = {}) {
  const { sizes, reference, offsets, logits } = tensors;
  const heads = engine().tensorInfo(offsets).shape[2]!;
  const value = await engine().callOperator('aten::unflatten.int', [tensors.value, 2, [heads, -1]]);
  return call('deformable_attend', [value as TensorHandle, sizes, reference, offsets, logits], options);
}

/** qkv B×N×3×M×D, sin and cos P×D; gives qkv, which is changed. */
export const rotateQkv = (
  qkv: TensorHandle,
  sin: TensorHandle,
  cos: TensorHandle,
  options: CallOptions = {},
) => call('rotate_qkv', [qkv, sin, cos], options);

/** A residual …×C, what is added to it, and the parameters, C each. */
interface NormTensors {
  x: TensorHandle;
  y: TensorHandle;
  /** Default: 1. */
  gamma?: TensorHandle;
  weight: TensorHandle;
  bias: TensorHandle;
}

export async function addScaledNorm(
  { x, y, gamma, weight, bias }: NormTensors,
  options: CallOptions & { eps: number; dtype?: ComputedDType },
): Promise<{ sum: TensorHandle; normed: TensorHandle }> {
  const operands = [x, y, gamma, weight, bias, options.eps, options.dtype];
  const [sum, normed] = await call<[TensorHandle, TensorHandle]>('add_scaled_norm', operands, options);
  return { sum, normed };
}

/** Places B×H×W×(2·2·C) that become four pixels each, a kernel C×1×3×3, and the norm's parameters, C each. */
interface UpscaledTensors {
  x: TensorHandle;
  weight: TensorHandle;
  normWeight: TensorHandle;
  normBias: TensorHandle;
}

/** B×2H×2W×C in `dtype`; default: what x is computed in. */
export const upscaledNorm = (
  { x, weight, normWeight, normBias }: UpscaledTensors,
  options: CallOptions & { eps: number; dtype?: ComputedDType },
) => call('upscaled_norm', [x, weight, normWeight, normBias, options.eps, options.dtype], options);

export const swiglu = (gate: TensorHandle, up: TensorHandle, options: CallOptions = {}) =>
  call('swiglu', [gate, up], options);

interface SizeOptions extends CallOptions {
  height: number;
  width: number;
}

/** The best class of each pixel, B×height×width uint8, of scores B×K×h×w. */
export const argmaxResized = (scores: TensorHandle, options: SizeOptions) =>
  call('argmax_resized', [scores, options.height, options.width], options);

/** The same of class shares B×Q×K and mask logits B×Q×h×w. */
export const argmaxMasks = (classes: TensorHandle, masks: TensorHandle, options: SizeOptions) =>
  call('argmax_masks', [classes, masks, options.height, options.width], options);

/**
 * Pixels of each column, without a column, and excluded: columns + 2 int64, of class maps H×W of one image and tables maps×256 from
 * class to column.
 */
export const countClasses = (
  maps: readonly TensorHandle[],
  tables: TensorHandle,
  options: CallOptions & { columns: number; excluded?: TensorHandle | undefined },
) => call('count_classes', [maps, tables, options.excluded, options.columns], options);

/** 3×height×width float32 of pixels H×W×3 uint8. */
export const preparePixels = (
  pixels: TensorHandle,
  options: SizeOptions & { mean: readonly number[]; std: readonly number[] },
) => call('prepare_pixels', [pixels, options.height, options.width, options.mean, options.std], options);

/** A perspective view height×width×3 uint8 of an equirectangular panorama H×W×3 uint8. */
export const perspectiveView = (
  panorama: TensorHandle,
  options: SizeOptions & { rotation: readonly number[]; focal: number; samples: number },
) => {
  const { rotation, focal, height, width, samples } = options;
  return call('perspective_view', [panorama, rotation, focal, height, width, samples], options);
};

/** Maps B×H×W×C and B×h×w×C; scale and shift C, both or neither. */
interface AddResizedTensors {
  x: TensorHandle;
  y: TensorHandle;
  scale?: TensorHandle;
  shift?: TensorHandle;
}

/** (x + y resized)·scale + shift, B×H×W×C in what x is computed in. */
export const addResized = ({ x, y, scale, shift }: AddResizedTensors, options: CallOptions = {}) =>
  call('add_resized', [x, y, scale, shift], options);

/** Of tokens B×N×C, in what x is computed in. */
export const groupNormTokens = (
  { x, weight, bias }: { x: TensorHandle; weight: TensorHandle; bias: TensorHandle },
  options: CallOptions & { groups: number; eps: number; relu: boolean },
) => call('group_norm_tokens', [x, options.groups, weight, bias, options.eps, options.relu], options);

/** Tokens B×N×C of the maps of `sizes` (height and width of each), weight C×1×3×3 and bias C. */
interface DepthwiseTensors {
  x: TensorHandle;
  sizes: readonly number[];
  weight: TensorHandle;
  bias: TensorHandle;
}

/** B×N×C in x's dtype. */
export const depthwiseGelu = ({ x, sizes, weight, bias }: DepthwiseTensors, options: CallOptions = {}) =>
  call('depthwise_gelu', [x, sizes, weight, bias], options);

/** In float16; `largest`, one float32, is raised to the largest magnitude. */
export const toFloat16 = (x: TensorHandle, largest: TensorHandle, options: CallOptions = {}) =>
  call('to_float16', [x, largest], options);

/** Rows in e4m3, and a float32 scale for each. */
export interface QuantizedRows {
  values: TensorHandle;
  scales: TensorHandle;
}

export async function quantizeRows(x: TensorHandle, options: CallOptions = {}): Promise<QuantizedRows> {
  const [values, scales] = await call<[TensorHandle, TensorHandle]>('quantize_rows', [x], options);
  return { values, scales };
}

export async function addScaledNormQuantized(
  { x, y, gamma, weight, bias }: NormTensors,
  options: CallOptions & { eps: number },
): Promise<QuantizedRows & { sum: TensorHandle }> {
  const operands = [x, y, gamma, weight, bias, options.eps];
  const [sum, values, scales] = await call<[TensorHandle, TensorHandle, TensorHandle]>(
    'add_scaled_norm_quantized',
    operands,
    options,
  );
  return { sum, values, scales };
}

export async function swigluQuantized(
  gate: TensorHandle,
  up: TensorHandle,
  options: CallOptions = {},
): Promise<QuantizedRows> {
  const [values, scales] = await call<[TensorHandle, TensorHandle]>('swiglu_quantized', [gate, up], options);
  return { values, scales };
}

/** bfloat16 …×N of rows …×K and a weight N×K, whose scales are N. */
export const scaledLinear = (
  x: QuantizedRows,
  weight: QuantizedRows,
  bias?: TensorHandle,
  options: CallOptions = {},
) => call('scaled_linear', [x.values, x.scales, weight.values, weight.scales, bias], options);

/** An MLP of the pixels from a place to both edges of a box: hidden H×2, shift H, weight M×H. */
export interface BoxAxis {
  hidden: TensorHandle;
  shift: TensorHandle;
  weight: TensorHandle;
}

/** What boxes B×Q×4 add to logits at the places of a map: B×M×Q×(height·width) in `dtype`. */
export const boxBias = (
  { boxes, x, y }: { boxes: TensorHandle; x: BoxAxis; y: BoxAxis },
  options: SizeOptions & { stride: number; dtype: ComputedDType },
) => {
  const { height, width, stride, dtype } = options;
  const layers = [x.hidden, x.shift, x.weight, y.hidden, y.shift, y.weight];
  return call('box_bias', [boxes, height, width, stride, ...layers, dtype], options);
};
