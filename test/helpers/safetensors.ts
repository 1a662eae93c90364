import { readFileSync } from 'node:fs';
import type { TensorArray } from '../../lib/native/bindings/engine.js';

export interface Stored {
  shape: number[];
  data: TensorArray;
}

const arrays = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  U8: Uint8Array,
} as const;

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** Reads a safetensors file without the package's own reader, to check against. */
export function readSafetensors(path: string): {
  tensors: Record<string, Stored>;
  metadata: Record<string, string>;
} {
  const file = readFileSync(path);
  const headerSize = Number(file.readBigUInt64LE(0));
  const parsed = JSON.parse(file.toString('utf8', 8, 8 + headerSize)) as Header & {
    __metadata__?: Record<string, string>;
  };
  const { __metadata__: metadata = {}, ...header } = parsed;
  const tensors: Record<string, Stored> = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header as Header)) {
    const [from, to] = data_offsets.map((offset) => offset + 8 + headerSize) as [number, number];
    const make = arrays[dtype as keyof typeof arrays];
    if (make === undefined) throw new Error(`${path}: ${name} has dtype ${dtype}`);
    const bytes = Uint8Array.prototype.slice.call(file, from, to);
    tensors[name] = { shape, data: new make(bytes.buffer) };
  }
  return { tensors, metadata };
}
