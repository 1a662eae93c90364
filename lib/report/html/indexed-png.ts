/** Class maps as palette PNG files: exact, small, and shown in colours by every viewer. */
import { crc32, deflateSync } from 'node:zlib';
import type { ClassInfo } from '../../data/class-set.js';
import { DinoSegError } from '../../errors.js';

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
const paletteKind = 3;

/** A chunk of a PNG file: length, type, data, checksum. */
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length, 0);
  whole.write(type, 4, 'latin1');
  whole.set(data, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
  return whole;
}

/**
 * Encodes a PNG of 8-bit palette indices. Each row has filter 0, so the page only inflates the data to read the indices
 * (report/layers.js). Indices without a class are transparent. Source: the PNG specification, third edition.
 *
 * The codec library chooses its own palettes, whose indices are not the class indices.
 *
 * @param map class indices H×W; 255: no class.
 * @throws DinoSegError SHAPE
 */
export function indexedPng(
  map: Uint8Array,
  width: number,
  height: number,
  classes: readonly ClassInfo[],
): Buffer {
  if (map.length !== width * height)
    throw new DinoSegError(
      'SHAPE',
      `A map of ${height}×${width} needs ${width * height} values, not ${map.length}.`,
    );
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, paletteKind], 8);
  const palette = new Uint8Array(256 * 3);
  const opacity = new Uint8Array(256);
  for (const { index, color } of classes) {
    palette.set(color, index * 3);
    opacity[index] = 255;
  }
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) rows.set(map.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('PLTE', palette),
    pngChunk('tRNS', opacity),
    pngChunk('IDAT', deflateSync(rows, { level: 9 })),
    pngChunk('IEND', new Uint8Array()),
  ]);
}
