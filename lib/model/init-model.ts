/** Networks with random weights in any shape of the family, for benchmarks, tests and experiments. */
import { checkOptions, needed, number, oneOf, text, type Kind, type OptionKinds } from '../arguments.js';
import { makeFolderOf } from '../files.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type { BackbonePlan, DetectorPlan, SegmentorPlan } from '../native/bindings/engine.js';
import type { RandomNetwork } from '../native/bindings/init.js';
import { resolveDevice } from './device.js';

/**
 * Architectures of segmentors: the released network; DINOv3's smaller backbones with a head of the same structure
 * (none of these heads is published); one of 2.7 million parameters, as the shipped network; a small one of 1.1
 * million; and EoMT networks, of which the largest has the structure of the authors' for ADE20K.
 */
export const architectures = [
  'dinov3_vit7b16_ade20k_m2f',
  'dinov3_vith16plus_m2f',
  'dinov3_vitl16_m2f',
  'dinov3_vitb16_m2f',
  'dinov3_vits16plus_m2f',
  'dinov3_vits16_m2f',
  'street-small',
  'tiny',
  'dinov3_vitl16_eomt',
  'dinov3_vitb16_eomt',
  'dinov3_vits16_eomt',
  'tiny-eomt',
] as const;

/** One of {@link architectures}. */
export type Architecture = (typeof architectures)[number];

/**
 * Architectures of detectors: the released network; the smaller backbones with a head of the same structure (none
 * of these heads is published); one with the backbone of `street-small`, as the shipped detector; and a small one
 * with the backbone of `tiny`.
 */
export const detectorArchitectures = [
  'dinov3_vit7b16_coco_detr',
  'dinov3_vith16plus_detr',
  'dinov3_vitl16_detr',
  'dinov3_vitb16_detr',
  'dinov3_vits16plus_detr',
  'dinov3_vits16_detr',
  'street-small-detector',
  'tiny-detector',
] as const;

/** One of {@link detectorArchitectures}. */
export type DetectorArchitecture = (typeof detectorArchitectures)[number];

/**
 * Architectures of backbones alone: DINOv3's backbones, and those of `street-small` and `tiny`. Their weights are those
 * of the segmentor with the same backbone and seed.
 */
export const backboneArchitectures = [
  'dinov3_vit7b16',
  'dinov3_vith16plus',
  'dinov3_vitl16',
  'dinov3_vitb16',
  'dinov3_vits16plus',
  'dinov3_vits16',
  'street-small-backbone',
  'tiny-backbone',
] as const;

/** One of {@link backboneArchitectures}. */
export type BackboneArchitecture = (typeof backboneArchitectures)[number];

/** Options of a network with random weights. */
export interface RandomNetworkOptions<A extends string = Architecture> extends JobOptions {
  /** Architecture of the network. */
  arch: A;
  /** Seed of the weights, a whole number from 0. The same seed gives the same weights on every machine and device. Default 0. */
  seed?: number;
  /** Precision of the backbone's weights; bfloat16 is the rounded float32 network. Default `float32`. */
  dtype?: 'float32' | 'bfloat16';
  /**
   * Device that the weights are drawn on, such as `cpu` or `cuda:0`. `auto` (default) is a CUDA device if there is
   * one, else the CPU.
   */
  device?: string;
}

/** Options of {@link initModel}: the network, and the file to write. */
export interface InitModelOptions<
  A extends string = Architecture | BackboneArchitecture | DetectorArchitecture,
> extends RandomNetworkOptions<A> {
  /** TorchScript file to write. */
  out: string;
}

/** The kinds of {@link RandomNetworkOptions}. */
export function randomNetworkOptions<A extends string>(): OptionKinds<RandomNetworkOptions<A>> {
  return {
    // The engine refuses other names, and lists them.
    arch: needed(text as unknown as Kind<A>),
    seed: number,
    dtype: oneOf(['float32', 'bfloat16']),
    device: text,
    ...jobOptions,
  } as OptionKinds<RandomNetworkOptions<A>>;
}

const initModelOptions: OptionKinds<InitModelOptions> = {
  ...randomNetworkOptions<Architecture | BackboneArchitecture | DetectorArchitecture>(),
  out: needed(text),
};

/** As the engine takes it. @internal */
export function randomNetwork({
  arch,
  seed = 0,
  dtype = 'float32',
  device,
}: RandomNetworkOptions<string>): RandomNetwork {
  return { architecture: arch, seed, dtype, device: resolveDevice(device) };
}

/**
 * Writes a network with random weights as a TorchScript file. Weights are drawn one tensor at a time, so that
 * memory for one tensor is enough. `onProgress` receives bytes written. A cancelled call leaves no file.
 *
 * `SegmentationModel.init` and `DetectionModel.init` create the same network without a file. Networks with the same
 * backbone and seed have the same backbone weights.
 *
 * @returns the structure of the network.
 * @throws DinoSegError INVALID_ARGUMENT, DEVICE, DISK_FULL, IO, OUT_OF_MEMORY; the signal's reason.
 */
export async function initModel(options: InitModelOptions<DetectorArchitecture>): Promise<DetectorPlan>;
export async function initModel(options: InitModelOptions<Architecture>): Promise<SegmentorPlan>;
export async function initModel(options: InitModelOptions<BackboneArchitecture>): Promise<BackbonePlan>;
export async function initModel(
  options: InitModelOptions,
): Promise<SegmentorPlan | DetectorPlan | BackbonePlan>;
export async function initModel(
  options: InitModelOptions,
): Promise<SegmentorPlan | DetectorPlan | BackbonePlan> {
  checkOptions(options, initModelOptions, 'initModel()');
  const network = randomNetwork(options);
  await makeFolderOf(options.out);
  return runJob(options, (job) => engine().writeRandomModel(network, options.out, job));
}
