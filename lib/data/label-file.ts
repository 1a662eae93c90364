/** Label images as PNG files that store what they were made from. */
import { promisify } from 'node:util';
import { constants, crc32, deflate } from 'node:zlib';
import { pngChunks, pngSignature } from './png-label.js';

const keyword = 'dinov3-seg';
const deflated = promisify(deflate);

function chunk(type: string, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length, 0);
  whole.write(type, 4, 'latin1');
  whole.set(data, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, -4)), whole.length - 4);
  return whole;
}

/** Rows as a PNG has them: a byte for the filter, which is 0 for none, and the row's values. */
export interface PngRows {
  /** H×(1 + W). */
  readonly rows: Uint8Array<ArrayBuffer>;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
}

/**
 * Encodes a label image as an 8-bit grey PNG with a note. Label images are runs of equal values: searching for runs
 * only takes a fourth of a codec's time and gives files of about the same size (bench/polygons.mjs).
 *
 * @param note ASCII.
 */
export async function encodeLabelFile({ rows, width, height }: PngRows, note: string): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8; // bits a sample; grey, not interlaced: 0
  const packed = await deflated(rows, { strategy: constants.Z_RLE, level: 3, chunkSize: 1 << 16 });
  return Buffer.concat([
    pngSignature,
    chunk('IHDR', header),
    chunk('tEXt', Buffer.from(`${keyword}\0${note}`, 'latin1')),
    chunk('IDAT', packed),
    chunk('IEND', new Uint8Array()),
  ]);
}

/**
 * The note of a file made by {@link encodeLabelFile}: null for any other file, `damaged` for a truncated one or one
 * whose checksums do not match.
 */
export function noteOfLabelFile(bytes: Buffer): { note: string; damaged: boolean } | null {
  if (!bytes.subarray(0, pngSignature.length).equals(pngSignature)) return null;
  let note: string | undefined;
  let whole = true;
  let last = '';
  for (const { type, data, whole: all } of pngChunks(bytes)) {
    whole &&= crc32(all.subarray(4, -4)) === all.readUInt32BE(all.length - 4);
    last = type;
    if (type !== 'tEXt') continue;
    const [name, text] = data.toString('latin1').split('\0');
    if (name === keyword) note = text;
  }
  return note === undefined ? null : { note, damaged: !whole || last !== 'IEND' };
}
