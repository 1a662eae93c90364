import { DinoSegError } from '../errors.js';

const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');
const alignment = 64;

/**
 * Encodes a uint8 array H×W, row by row, as a NumPy `.npy` file of version 1.0.
 * Source: the format description in NumPy's manual (numpy.lib.format).
 * @throws SHAPE if the sizes do not match
 */
export function encodeNpy(data: Uint8Array, height: number, width: number): Buffer {
  if (data.length !== height * width)
    throw new DinoSegError(
      'SHAPE',
      `An array of ${height}×${width} needs ${height * width} values, not ${data.length}.`,
    );
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${height}, ${width}), }`;
  const prefix = magic.length + 2;
  // The header ends in a newline, and the values start at a multiple of 64 bytes.
  const length = Math.ceil((prefix + text.length + 1) / alignment) * alignment - prefix;
  const size = Buffer.alloc(2);
  size.writeUInt16LE(length);
  return Buffer.concat([magic, size, Buffer.from(text.padEnd(length - 1) + '\n', 'latin1'), data]);
}

/** Reads a file of {@link encodeNpy}. @throws IO for any other file */
export function decodeNpy(bytes: Buffer): { data: Uint8Array; height: number; width: number } {
  if (bytes.length < 10 || !bytes.subarray(0, 8).equals(magic))
    throw new DinoSegError('IO', 'This is not a .npy file of version 1.0.');
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  const shape = /'shape': \((\d+), (\d+)\)/.exec(header);
  if (!shape || !header.includes("'descr': '|u1'") || !header.includes("'fortran_order': False"))
    throw new DinoSegError(
      'IO',
      `Expected a .npy file of two-dimensional uint8 values in C order, not ${header.trim()}.`,
    );
  const [height, width] = [Number(shape[1]), Number(shape[2])];
  if (bytes.length !== start + height * width)
    throw new DinoSegError(
      'IO',
      `The .npy file should have ${height}×${width} values, but has ${bytes.length - start}.`,
    );
  return { data: new Uint8Array(bytes.subarray(start)), height, width };
}
