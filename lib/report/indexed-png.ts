/** Class maps as PNG files with a palette: a pixel's value is its class, a viewer shows the class's colour. */
import { crc32 } from 'node:zlib';
import type { ClassSet } from '../data/class-set.js';
import { encodePng } from '../data/decode.js';
import { pngChunks, pngSignature } from '../data/png-label.js';
import { classPalette } from './colorize.js';

/** Of a header: grey, and an index into a palette. */
const colourType = { place: 9, indexed: 3 };

/**
 * Encodes a class map H×W; 255 (no class) is black.
 *
 * @throws DinoSegError SHAPE if the sizes do not match
 */
export async function encodeIndexedPng(
  map: Uint8Array,
  width: number,
  height: number,
  set: ClassSet,
): Promise<Buffer> {
  // The same samples, which a palette says the colours of.
  const parts: Buffer[] = [pngSignature];
  for (const { type, data, whole } of pngChunks(await encodePng(map, width, height, 1))) {
    if (type !== 'IHDR' && type !== 'IDAT' && type !== 'IEND') continue;
    if (type !== 'IHDR') {
      parts.push(whole);
      continue;
    }
    const header = Buffer.from(data);
    header[colourType.place] = colourType.indexed;
    parts.push(pngChunk('IHDR', header), pngChunk('PLTE', classPalette(set)));
  }
  return Buffer.concat(parts);
}

function pngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(data.length + 12);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, data.length + 8)), data.length + 8);
  return chunk;
}
