/** CRC-32 as zips have it. */
import * as zlib from 'node:zlib';

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function plainCrc32(data: Uint8Array, start = 0): number {
  let value = ~start;
  for (const byte of data) value = table[(value ^ byte) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}

/** Goes on from `start`. Node.js has its own, ten times as fast, since 20.15. */
export const crc32: (data: Uint8Array, start?: number) => number =
  (zlib as { crc32?: typeof zlib.crc32 }).crc32 ?? plainCrc32;
