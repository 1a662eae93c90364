import { crc32 } from 'node:zlib';
import { DinoSegError } from '../errors.js';

/** The first bytes of every PNG. */
export const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const grey = 0;
const indexed = 3;

/** A PNG prepared so that a decoder returns the stored sample values. */
export interface PlainPng {
  /** The file, or the same pixels with their palette taken away. */
  readonly bytes: Buffer;
  /** Decoders stretch 1, 2 and 4 bits a sample to 0…255: divide by this to get the stored values. */
  readonly stretch: number;
}

/** A part of a PNG. */
export interface PngChunk {
  readonly type: string;
  readonly data: Buffer;
  /** With length, type and checksum. */
  readonly whole: Buffer;
}

/** The chunks of a PNG, up to the first that is cut off; checksums are not looked at. */
export function* pngChunks(bytes: Buffer): Generator<PngChunk> {
  let offset = pngSignature.length;
  while (offset + 12 <= bytes.length) {
    const end = offset + 12 + bytes.readUInt32BE(offset);
    // A chunk that runs past the end is left to the decoder, which then says that the file is cut off.
    if (end > bytes.length) return;
    yield {
      type: bytes.toString('latin1', offset + 4, offset + 8),
      data: bytes.subarray(offset + 8, end - 4),
      whole: bytes.subarray(offset, end),
    };
    offset = end;
  }
}

/**
 * A grey palette whose entries differ from their index has two readings (index or grey). Tools that shrink PNGs
 * make such files from grey ones, so either reading would sometimes be wrong without notice.
 */
function refuseAmbiguous(palette: Buffer, source: string): void {
  const count = Math.floor(palette.length / 3);
  let other = -1;
  for (let index = 0; index < count; index++) {
    const [r, g, b] = palette.subarray(index * 3, index * 3 + 3);
    if (r !== g || g !== b) return;
    if (r !== index && other < 0) other = index;
  }
  if (other >= 0)
    throw new DinoSegError(
      'IMAGE',
      `${source} is a palette PNG whose grey palette shows index ${other} as grey ${palette[other * 3]}: ` +
        'the label value is ambiguous. Store it as 8-bit grey without a palette.',
    );
}

function asGrey(header: PngChunk): Buffer {
  const chunk = Buffer.from(header.whole);
  chunk[8 + 9] = grey;
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 21)), 21);
  return chunk;
}

/**
 * Makes the stored sample values of a PNG readable: codecs convert a palette image to colours and lose the indices.
 * The same compressed pixels are valid as a grey image, so the header is rewritten to grey, and palette and
 * transparency are left out. Other files are returned unchanged.
 *
 * @throws IMAGE for a grey palette whose entries differ from their index
 */
export function plainPng(bytes: Buffer, source: string): PlainPng {
  const header = bytes.subarray(0, 8).equals(pngSignature) ? pngChunks(bytes).next().value : undefined;
  if (!header || header.type !== 'IHDR' || header.data.length !== 13) return { bytes, stretch: 1 };
  const bitDepth = header.data[8]!;
  const colourType = header.data[9]!;
  const stretch = bitDepth < 8 ? 255 / (2 ** bitDepth - 1) : 1;
  if (colourType !== indexed) return { bytes, stretch: colourType === grey ? stretch : 1 };
  const kept: Buffer[] = [pngSignature, asGrey(header)];
  let read = pngSignature.length;
  for (const { type, data, whole } of pngChunks(bytes)) {
    read += whole.length;
    if (type === 'PLTE') refuseAmbiguous(data, source);
    if (type === 'IDAT' || type === 'IEND') kept.push(whole);
  }
  // A cut-off chunk at the end has to stay, for the decoder to complain of it.
  kept.push(bytes.subarray(read));
  return { bytes: Buffer.concat(kept), stretch };
}
