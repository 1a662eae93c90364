/** Networks with random weights: any of the family's shapes, for benches, tests and trying things out. */
import { checkOptions, needed, number, oneOf, text, type Kind, type OptionKinds } from '../arguments.js';
import { makeFolderOf } from '../files.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type { DetectorPlan, SegmentorPlan } from '../native/bindings/engine.js';
import type { RandomNetwork } from '../native/bindings/init.js';
import { resolveDevice } from './device.js';

/**
 * Names of segmentors' shapes: the released network, DINOv3's smaller backbones with a head of the same structure (none of those
 * heads is published), one of 2.7 million parameters as the shipped network has, and a small one of 1.1 million.
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
] as const;

/** One of {@link architectures}. */
export type Architecture = (typeof architectures)[number];

/**
 * Names of detectors' shapes: the released network, the smaller backbones with a head of the same structure (none of those
 * heads is published), one with the backbone of `street-small`, as the shipped one, and a small network with that of `tiny`.
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

/** Which network with random weights, and where its weights are drawn. */
export interface RandomNetworkOptions<A extends string = Architecture> extends JobOptions {
  /** Its shape. */
  arch: A;
  /** Whole number from 0. The same seed gives the same weights on every machine and device. Default 0. */
  seed?: number;
  /** Precision of the backbone's weights: bfloat16 is the float32 network rounded. Default `float32`. */
  dtype?: 'float32' | 'bfloat16';
  /**
   * Where they are drawn: `cpu`, `cuda:0`, …; `auto` (default) takes a CUDA device where there is one, else the CPU.
   */
  device?: string;
}

/** The same, and the file to write. */
export interface InitModelOptions<
  A extends string = Architecture | DetectorArchitecture,
> extends RandomNetworkOptions<A> {
  /** The TorchScript file to write. */
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
  ...randomNetworkOptions<Architecture | DetectorArchitecture>(),
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
 * Writes a network with random weights as a TorchScript file, drawing a tensor at a time: memory for one is enough.
 * `onProgress` hears bytes written; stopped, it leaves nothing behind. `SegmentationModel.init` and
 * `DetectionModel.init` make the same network without a file. A detector and a segmentor with the same backbone and seed
 * have the same weights in it.
 *
 * @returns what the network is made of.
 * @throws DinoSegError INVALID_ARGUMENT, DEVICE, DISK_FULL, IO, OUT_OF_MEMORY; the signal's reason.
 */
export async function initModel(options: InitModelOptions<DetectorArchitecture>): Promise<DetectorPlan>;
export async function initModel(options: InitModelOptions<Architecture>): Promise<SegmentorPlan>;
export async function initModel(options: InitModelOptions): Promise<SegmentorPlan | DetectorPlan>;
export async function initModel(options: InitModelOptions): Promise<SegmentorPlan | DetectorPlan> {
  checkOptions(options, initModelOptions, 'initModel()');
  const network = randomNetwork(options);
  await makeFolderOf(options.out);
  return runJob(options, (job) => engine().writeRandomModel(network, options.out, job));
}
