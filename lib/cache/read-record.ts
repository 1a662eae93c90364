/** A record's arrays on the CPU, without a store: for the few images that are looked at. */
import { DinoSegError } from '../errors.js';
import { readError, withOpenFile } from '../files.js';
import { DecodedImages } from '../model/decoded-images.js';
import { NetworkOutputs } from '../model/network-outputs.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { RecordPart, TensorHandle } from '../native/bindings/engine.js';
import type { IndexEntry } from './index-file.js';

/** Parts begin at multiples of this (cpp/cache/record_layout.h). */
const alignment = 64;
const elementBytes: Partial<Record<RecordPart['dtype'], number>> = { float32: 4, bfloat16: 2, uint8: 1 };

function elementsOf({ shape }: RecordPart): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Where a part lies in its record. */
function placeOf(layout: readonly RecordPart[], name: string): { part: RecordPart; offset: number } | null {
  let offset = 0;
  for (const part of layout) {
    if (part.name === name) return { part, offset };
    const bytes = elementsOf(part) * elementBytes[part.dtype]!;
    offset += Math.ceil(bytes / alignment) * alignment;
  }
  return null;
}

/** The values of features in 8 bits, as the engine gives them (cpp/cache/quantised_features.h). @param ranges least and step, C×2 */
function featuresOf(bytes: Buffer, ranges: Float32Array): Float32Array {
  const positions = (2 * bytes.length) / ranges.length;
  return Float32Array.from(bytes, (value, i) => {
    const channel = 2 * Math.floor(i / positions);
    return ranges[channel]! + value * ranges[channel + 1]!;
  });
}

/** Values as float32; bytes are masks' sigmoid, of which the logit is taken as the engine takes it (cpp/heads). */
function asFloats(bytes: Buffer, dtype: RecordPart['dtype']): Float32Array {
  const { buffer, byteOffset } = bytes;
  if (dtype === 'float32') return new Float32Array(buffer, byteOffset, bytes.length / 4);
  if (dtype === 'bfloat16') {
    const halves = new Uint16Array(buffer, byteOffset, bytes.length / 2);
    return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  }
  const edge = 1 / 1020;
  const logits = Float32Array.from({ length: 256 }, (_, value) => {
    const share = Math.min(1 - edge, Math.max(edge, value / 255));
    return Math.log(share / (1 - share));
  });
  return Float32Array.from(bytes, (value) => logits[value]!);
}

/**
 * What the network gave for the image of a record, a batch of one: queries and masks, or features.
 *
 * @param path the file of records.
 * @throws DinoSegError CACHE where the record is cut off; FILE_NOT_FOUND, IO
 */
export async function readRecord(
  path: string,
  { offset }: Pick<IndexEntry, 'offset'>,
  layout: readonly RecordPart[],
): Promise<NetworkOutputs> {
  const read = async (name: string) => {
    const place = placeOf(layout, name);
    if (!place) return null;
    const { part } = place;
    // A buffer of its own, so that it is aligned for any type.
    const bytes = Buffer.from(new ArrayBuffer(elementsOf(part) * elementBytes[part.dtype]!));
    await readInto(bytes, path, offset + place.offset);
    return { bytes, ...part };
  };
  const tensorOf = ({ shape }: RecordPart, values: Float32Array): TensorHandle =>
    engine().tensor(values, [1, ...shape]);
  const floats = async (name: string): Promise<TensorHandle> => {
    const part = (await read(name))!;
    return tensorOf(part, asFloats(part.bytes, part.dtype));
  };
  const [features, ranges] = [await read('features'), await read('feature_ranges')];
  if (features) {
    const { bytes, dtype } = features;
    const values = ranges ? featuresOf(bytes, asFloats(ranges.bytes, 'float32')) : asFloats(bytes, dtype);
    return new NetworkOutputs(undefined, Tensor.wrap(tensorOf(features, values)));
  }
  const [queries, masks] = [await floats('queries'), await floats('masks')];
  return new NetworkOutputs(new DecodedImages({ queries, masks }), undefined);
}

async function readInto(bytes: Buffer, path: string, position: number): Promise<void> {
  try {
    const { bytesRead } = await withOpenFile(path, (file) => file.read(bytes, { position }));
    if (bytesRead === bytes.length) return;
  } catch (cause) {
    throw readError(path, cause);
  }
  throw new DinoSegError(
    'CACHE',
    `${path} ends within a record. Check the cache with: dinov3-seg cache check.`,
  );
}
