/** Which blocks of a network stay on its device, and how many images go through it together, where not all fit. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { MemoryRoom, NetworkPrecision, NetworkSizes } from '../native/bindings/engine.js';
import { capGpuMemory } from './gpu-memory.js';
import type { ImageSize } from './image-size.js';
import type { LoadOptions } from './load-options.js';
import { decodesInFloat16, defaultPrecision } from './network-precision.js';
import { bytesOfMaps, mostStreamedImages, type WeightPlan } from './pass-size.js';

/** What a network is loaded for. */
export interface NetworkUse {
  /** Input of the network. Default 512×512. */
  imageSize?: ImageSize | undefined;
  /** Images per pass, where the caller has chosen. */
  passSize?: number | null | undefined;
  /** Bytes that others need of the device beside it. */
  besideBytes?: number;
  /** Bytes that other work needs between the passes. */
  betweenBytes?: number;
}

/** Maps of bytesOfMaps that a detector's pass takes, of an estimate. */
const mapsOfDetector = 3;

/** What a detector needs for an image of a size. */
export function detectorPassBytes(
  { width, dtype }: Pick<NetworkSizes, 'width' | 'dtype'>,
  size: ImageSize,
): number {
  return bytesOfMaps({ width, hidden: 0, dtype }, size) * mapsOfDetector;
}

/**
 * As `mapsOfImage` of pass-size.ts, but without what recorded passes hold, of which there are none. 1.38 were measured with the
 * 7B (0.567 GB at 512×512); the rest is room for the allocator. With 1.41 it gave memory back and took it again in every pass, and
 * a pass in 12 GB took 1.4 times as long.
 */
const mapsOfImage = 1.6;
/** What libraries and the allocator take beside weights and maps: 0.1 GB with the 7B. */
const workspaceBytes = 2e8;
/** Share of a device that a plan counts on where no cap is given: screens and other processes have some. */
const shareOfDevice = 0.9;

/** What a plan has to do with. */
export interface PlanInput {
  sizes: NetworkSizes;
  room: MemoryRoom;
  weights: NonNullable<LoadOptions['weights']>;
  /** Whether the room is that of a cap. */
  capped: boolean;
  onCpu: boolean;
  use: NetworkUse;
}

/**
 * A plan, or undefined where the whole network stays on the device.
 *
 * The number of images is the one with the fewest bytes copied per image. It depends on sizes and on the cap, or the size of
 * the device, and not on what is free or how fast a copy is: tables that are resumed have the same passes.
 *
 * @throws DinoSegError OUT_OF_MEMORY with what is needed at least.
 */
export function planWeights(input: PlanInput): WeightPlan | undefined {
  const { sizes, room, weights, capped, onCpu, use } = input;
  if (weights === 'resident' || (weights === 'auto' && sizes.blocks === 0)) return undefined;
  // Without a cap a network that is to be streamed is streamed whole.
  const mayStay = weights === 'auto' || capped;
  const size = use.imageSize ?? { width: 512, height: 512 };
  const imageBytes = imageBytesOf(sizes, size);
  const fixed = sizes.otherBytes + (use.besideBytes ?? 0) + (onCpu ? 0 : workspaceBytes);
  const passBytes = (images: number) => Math.max(images * imageBytes, use.betweenBytes ?? 0);
  const least = use.passSize ?? 1;
  const whole = fixed + sizes.decoderBytes + sizes.blocksBytes;
  if (mayStay && whole + passBytes(least) <= room.freeBytes) return undefined;

  const streaming = fixed + sizes.ringBytes;
  const needed = streaming + passBytes(least);
  if (needed > room.freeBytes) throw tooLittle(input, needed, least);
  const residentIn = (bytes: number, images: number) => {
    const left = bytes - streaming - passBytes(images);
    const fits = (resident: number, blocks: number) => blocks < sizes.blocks && resident <= left;
    return mayStay ? Math.max(0, sizes.residentBytes.findLastIndex(fits)) : 0;
  };
  const planned = capped ? room.totalBytes : shareOfDevice * room.totalBytes - room.contextBytes;
  const fewestCopied = () => {
    const fits = (images: number) => images === 1 || streaming + passBytes(images) <= planned;
    return fewestBytes(sizes, fits, (images) => residentIn(planned, images));
  };
  const passSize = use.passSize ?? (onCpu ? 1 : fewestCopied());
  const residentBlocks = residentIn(room.freeBytes, passSize);
  return { residentBlocks, passSize, pixels: size.width * size.height };
}

/** The number of images with the fewest bytes copied for each. */
function fewestBytes(
  { blocksBytes, residentBytes, copiedDecoderBytes }: NetworkSizes,
  fits: (images: number) => boolean,
  residentBlocks: (images: number) => number,
): number {
  let best = { images: 1, copied: Infinity };
  for (let images = 1; images <= mostStreamedImages && fits(images); images++) {
    const streamed = blocksBytes - residentBytes[residentBlocks(images)]!;
    const copied = (copiedDecoderBytes + streamed) / images;
    if (copied < best.copied) best = { images, copied };
  }
  return best.images;
}

function imageBytesOf({ width, hidden, dtype }: NetworkSizes, size: ImageSize): number {
  return bytesOfMaps({ width, hidden, dtype }, size) * mapsOfImage;
}

function tooLittle({ room, capped, onCpu }: PlanInput, least: number, images: number): DinoSegError {
  const gigabytes = (bytes: number) => `${(Math.ceil(bytes / 1e8) / 10).toFixed(1)} GB`;
  const { contextBytes } = room;
  const needs = `With all blocks streamed, the network needs ${gigabytes(least)} for a pass of ${images}`;
  return new DinoSegError(
    'OUT_OF_MEMORY',
    capped && !onCpu
      ? `${needs}, and CUDA ${gigabytes(contextBytes)}: --gpu-memory ${gigabytes(least + contextBytes).replace(' ', '')} is the minimum.`
      : `${needs}; ${gigabytes(room.freeBytes)} are free. Use smaller images (--image-size), another device, or end other processes on this one.`,
  );
}

/** Of the weights in float16 on a GPU, which stand beside the others: a pass that float16 cannot hold is run again with those. */
export function float16Bytes(
  { dtype, pixelDecoderWeights }: Pick<NetworkSizes, 'dtype' | 'pixelDecoderWeights'>,
  precision: NetworkPrecision,
): number {
  return decodesInFloat16(precision) && dtype === 'bfloat16' ? 2 * pixelDecoderWeights : 0;
}

/**
 * Plans the loading of a file, on the device of several that has the least room.
 *
 * @throws DinoSegError INVALID_ARGUMENT for a cap; OUT_OF_MEMORY; for `stream` what reading the file's sizes throws.
 */
export async function planOfFile(
  path: string,
  { weights = 'auto', gpuMemory, dtype = 'stored', precision = defaultPrecision }: LoadOptions,
  devices: readonly string[],
  use: NetworkUse,
): Promise<WeightPlan | undefined> {
  for (const device of devices) capGpuMemory(device, gpuMemory);
  if (weights === 'resident') return undefined;
  const sizes = await engine()
    .networkSizes(path, dtype, precision)
    .catch((error: unknown) => {
      // Loading says what is wrong with the file, or takes what this reader does not.
      if (weights === 'auto') return undefined;
      throw error;
    });
  if (!sizes) return undefined;
  if (sizes.blocks === 0 && weights === 'stream')
    throw new DinoSegError(
      'MODEL_FORMAT',
      `${path} has no blocks whose weights can be streamed. Use a network made by convert, or --weights resident.`,
    );
  const rooms = devices.map((device) => engine().memoryRoom(device));
  const room = {
    totalBytes: Math.min(...rooms.map(({ totalBytes }) => totalBytes)),
    freeBytes: Math.min(...rooms.map(({ freeBytes }) => freeBytes || Infinity)),
    contextBytes: Math.max(...rooms.map(({ contextBytes }) => contextBytes)),
  };
  const capped = gpuMemory !== undefined && gpuMemory !== null;
  const onCpu = devices.includes('cpu');
  const besideBytes = (use.besideBytes ?? 0) + (onCpu ? 0 : float16Bytes(sizes, precision));
  return planWeights({ sizes, room, weights, capped, onCpu, use: { ...use, besideBytes } });
}
