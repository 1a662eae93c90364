import { crc32 } from 'node:zlib';
import { DinoSegError } from '../errors.js';

/** The first bytes of every PNG. */
export const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const grey = 0;
const indexed = 3;

/** A PNG as a decoder should see it so that it gives the stored sample values. */
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
 * A palette of greys that are not their own index has two readings (index or grey): tools that shrink PNGs
 * make such files from grey ones, so that taking either reading would sometimes be wrong without notice.
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
      `${source} is a palette PNG whose palette is grey but shows index ${other} as grey ${palette[other * 3]}: ` +
        'it is not clear which of the two is the label value. Store it as 8-bit grey without a palette.',
    );
}

function asGrey(header: PngChunk): Buffer {
  const chunk = Buffer.from(header.whole);
  chunk[8 + 9] = grey;
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 21)), 21);
  return chunk;
}

/**
 * Makes a PNG's stored sample values reachable: codecs turn a palette image into colours and lose the
 * indices. The same compressed pixels are valid as a grey image, so that the header is rewritten to grey and the
 * palette and transparency left out. Other files come back as they are.
 * @throws IMAGE for a palette of greys that are not their own index
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
