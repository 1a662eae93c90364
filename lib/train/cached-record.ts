/** One record of a cache as a head takes it: for pictures of some images; training reads batches in the engine. */
import { open } from 'node:fs/promises';
import type { IndexEntry } from '../cache/index-file.js';
import { DinoSegError } from '../errors.js';
import { readError } from '../files.js';
import { DecodedImages } from '../model/decoded-images.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { RecordPart, TensorHandle } from '../native/surface.js';

/** Parts begin at multiples of so many bytes (cpp/cache/record_layout.cpp). */
const alignment = 64;
const elementBytes: Partial<Record<string, number>> = { float32: 4, bfloat16: 2, uint8: 1 };
/** Masks are stored as their sigmoid in 1/255; its ends stand for a logit that is as good as sure. */
const sureLogit = 20;

function logitOf(value: number): number {
  if (value === 0) return -sureLogit;
  return value === 255 ? sureLogit : Math.log(value / (255 - value));
}

function asFloats(bytes: Uint8Array, dtype: string): Float32Array {
  if (dtype === 'uint8') {
    const logits = Float32Array.from({ length: 256 }, (_, value) => logitOf(value));
    return Float32Array.from(bytes, (value) => logits[value]!);
  }
  const { buffer, byteOffset, byteLength } = bytes;
  if (dtype === 'float32') return new Float32Array(buffer, byteOffset, byteLength / 4);
  // bfloat16 is the upper half of a float32.
  const bits = Uint32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), (half) => half << 16);
  return new Float32Array(bits.buffer);
}

/**
 * What the network gave for the image of a record, on the CPU with a batch of one: queries and masks, or features.
 *
 * @param path of the file of records.
 * @throws DinoSegError CACHE where the record is cut off; FILE_NOT_FOUND, IO
 */
export async function readRecord(
  path: string,
  { offset }: Pick<IndexEntry, 'offset'>,
  layout: readonly RecordPart[],
): Promise<DecodedImages | Tensor> {
  const record = await readAt(path, offset, engine().recordBytes([...layout]));
  const tensors = new Map<string, TensorHandle>();
  let at = 0;
  for (const { name, shape, dtype } of layout) {
    const length = shape.reduce((product, size) => product * size, elementBytes[dtype] ?? 0);
    const part = record.subarray(at, at + length);
    at += Math.ceil(length / alignment) * alignment;
    if (name !== 'labels') tensors.set(name, engine().tensor(asFloats(part, dtype), [1, ...shape]));
  }
  if (at !== record.length)
    throw new DinoSegError(
      'INTERNAL',
      `The parts of a record take ${at} bytes, the record ${record.length}.`,
    );
  const features = tensors.get('features');
  if (features) return Tensor.wrap(features);
  return new DecodedImages({ queries: tensors.get('queries')!, masks: tensors.get('masks')! });
}

async function readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
  // Of a buffer of its own: typed arrays of 2 and 4 bytes must begin at multiples of them.
  const record = new Uint8Array(new ArrayBuffer(length));
  try {
    const file = await open(path);
    try {
      const { bytesRead } = await file.read(record, 0, length, offset);
      if (bytesRead === length) return record;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw readError(path, cause);
  }
  throw new DinoSegError(
    'CACHE',
    `${path} ends within a record. Check the cache with: dinov3-seg cache check.`,
  );
}
