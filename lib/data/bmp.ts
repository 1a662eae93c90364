/** Reads BMP files, which libvips does not. The format: Microsoft's BITMAPINFOHEADER and its predecessor and successors. */

/** Pixels as a file stores them: H×W×3, or H×W×4 if it has an alpha channel. */
export interface StoredPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
}

const compressions = { none: 0, rle8: 1, rle4: 2, bitFields: 3, alphaBitFields: 6 } as const;

interface Header {
  width: number;
  height: number;
  isTopDown: boolean;
  bits: number;
  compression: number;
  /** Where the pixels begin. */
  offset: number;
  palette: Uint8Array;
  /** Bits of red, green, blue and alpha in a pixel of 16 or 32 bits. */
  masks: readonly [red: number, green: number, blue: number, alpha: number];
}

/**
 * The pixels of a BMP file of 1, 4, 8, 16, 24 or 32 bits a pixel, run lengths included.
 *
 * @param maxPixels refused before memory is taken.
 * @throws Error with the reason
 */
export function decodeBmp(file: Uint8Array, maxPixels: number): StoredPixels {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const header = checkedHeader(bytes, maxPixels);
  const { width, height, bits, compression } = header;
  if (compression === compressions.rle8 || compression === compressions.rle4)
    return coloured(header, unpackRuns(bytes, header));
  const stride = Math.ceil((width * bits) / 32) * 4;
  // The last row's padding may lack.
  const least = header.offset + stride * (height - 1) + Math.ceil((width * bits) / 8);
  if (least > bytes.length) throw new Error(`it ends after ${bytes.length} of ${least} bytes`);
  if (bits <= 8) return coloured(header, unpackIndices(bytes, header, stride));
  return bits === 24 ? trueColour(bytes, header, stride) : maskedColour(bytes, header, stride);
}

/** What the header of a BMP file says. @throws Error with the reason */
export function bmpSize(
  file: Uint8Array,
  maxPixels: number,
): Pick<StoredPixels, 'width' | 'height' | 'channels'> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const { width, height, bits, masks } = checkedHeader(bytes, maxPixels);
  return { width, height, channels: bits >= 16 && bits !== 24 && masks[3] !== 0 ? 4 : 3 };
}

/** A pair of bytes of a run length stands for at most 255 pixels. */
const mostPixelsOfByte = 128;

function checkedHeader(bytes: Buffer, maxPixels: number): Header {
  const header = headerOf(bytes);
  const { width, height, compression } = header;
  if (width < 1 || height < 1) throw new Error(`its size is ${width}×${height}`);
  if (width * height > maxPixels) throw new Error(`it exceeds the pixel limit of ${maxPixels}`);
  const hasRuns = compression === compressions.rle8 || compression === compressions.rle4;
  if (hasRuns && width * height > mostPixelsOfByte * bytes.length)
    throw new Error(`its ${bytes.length} bytes cannot hold the runs of ${width}×${height} pixels`);
  return header;
}

function headerOf(bytes: Buffer): Header {
  if (bytes.length < 26) throw new Error('its header is cut off');
  const size = bytes.readUInt32LE(14);
  const isCore = size === 12;
  if (bytes.length < 14 + size) throw new Error('its header is cut off');
  const signedHeight = isCore ? bytes.readUInt16LE(20) : bytes.readInt32LE(22);
  const width = isCore ? bytes.readUInt16LE(18) : bytes.readInt32LE(18);
  const bits = bytes.readUInt16LE(isCore ? 24 : 28);
  const compression = isCore ? compressions.none : bytes.readUInt32LE(30);
  const { none, rle8, rle4, bitFields, alphaBitFields } = compressions;
  const fields = compression === bitFields ? 3 : compression === alphaBitFields ? 4 : 0;
  const allowed: Record<number, readonly number[]> = {
    [none]: [1, 4, 8, 16, 24, 32],
    [rle8]: [8],
    [rle4]: [4],
    [bitFields]: [16, 32],
    [alphaBitFields]: [16, 32],
  };
  if (!allowed[compression]?.includes(bits))
    throw new Error(`BMP files of ${bits} bits a pixel with compression ${compression} are not supported`);
  const afterHeader = 14 + size + (size === 40 ? 4 * fields : 0);
  if (bytes.length < afterHeader) throw new Error('its header is cut off');
  const mask = (i: number, otherwise: number) => {
    const isThere = i < fields || (fields > 0 && i === 3 && size >= 56);
    return isThere ? bytes.readUInt32LE(54 + 4 * i) : otherwise;
  };
  const plain = bits === 16 ? ([0x7c00, 0x3e0, 0x1f] as const) : ([0xff0000, 0xff00, 0xff] as const);
  return {
    width,
    height: Math.abs(signedHeight),
    isTopDown: signedHeight < 0,
    bits,
    compression,
    offset: bytes.readUInt32LE(10),
    palette: bits <= 8 ? paletteOf(bytes, afterHeader, 2 ** bits, isCore ? 3 : 4) : new Uint8Array(),
    masks: [mask(0, plain[0]), mask(1, plain[1]), mask(2, plain[2]), mask(3, 0)],
  };
}

/** Red, green and blue of each index; indices without a colour are black. */
function paletteOf(bytes: Buffer, start: number, colours: number, entry: 3 | 4): Uint8Array {
  const used = entry === 4 ? bytes.readUInt32LE(46) || colours : colours;
  const palette = new Uint8Array(3 * colours);
  for (let i = 0; i < Math.min(used, colours); i++) {
    const at = start + entry * i;
    if (at + 3 > bytes.length) throw new Error('its palette is cut off');
    palette.set([bytes[at + 2]!, bytes[at + 1]!, bytes[at]!], 3 * i);
  }
  return palette;
}

/** The row of the picture, from the top, that row `y` of the file is. */
function rowOf({ height, isTopDown }: Header, y: number): number {
  return isTopDown ? y : height - 1 - y;
}

function coloured({ width, height, palette }: Header, indices: Uint8Array): StoredPixels {
  const data = new Uint8Array(3 * indices.length);
  for (let i = 0; i < indices.length; i++) {
    const at = 3 * indices[i]!;
    data[3 * i] = palette[at]!;
    data[3 * i + 1] = palette[at + 1]!;
    data[3 * i + 2] = palette[at + 2]!;
  }
  return { data, width, height, channels: 3 };
}

function unpackIndices(bytes: Buffer, header: Header, stride: number): Uint8Array {
  const { width, height, bits, offset } = header;
  const indices = new Uint8Array(width * height);
  const perByte = 8 / bits;
  for (let y = 0; y < height; y++) {
    const [from, to] = [offset + y * stride, rowOf(header, y) * width];
    for (let x = 0; x < width; x++) {
      const shift = 8 - bits * ((x % perByte) + 1);
      indices[to + x] = (bytes[from + Math.floor(x / perByte)]! >> shift) & (2 ** bits - 1);
    }
  }
  return indices;
}

function trueColour(bytes: Buffer, header: Header, stride: number): StoredPixels {
  const { width, height, offset } = header;
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    let from = offset + y * stride;
    let to = 3 * rowOf(header, y) * width;
    for (const end = to + 3 * width; to < end; to += 3, from += 3) {
      data[to] = bytes[from + 2]!;
      data[to + 1] = bytes[from + 1]!;
      data[to + 2] = bytes[from]!;
    }
  }
  return { data, width, height, channels: 3 };
}

/** Pixels of 16 or 32 bits. */
function maskedColour(bytes: Buffer, header: Header, stride: number): StoredPixels {
  const { width, height, bits, offset, masks } = header;
  const used = masks[3] === 0 ? masks.slice(0, 3) : masks;
  const channels = used.length as 3 | 4;
  const scales = used.map((mask) => {
    const shift = mask === 0 ? 0 : Math.log2((mask & -mask) >>> 0);
    return { mask, shift, most: Math.max(1, mask >>> shift) };
  });
  const data = new Uint8Array(channels * width * height);
  for (let y = 0; y < height; y++) {
    const [from, to] = [offset + y * stride, channels * rowOf(header, y) * width];
    for (let x = 0; x < width; x++) {
      const value = bits === 16 ? bytes.readUInt16LE(from + 2 * x) : bytes.readUInt32LE(from + 4 * x);
      for (const [c, { mask, shift, most }] of scales.entries())
        data[to + channels * x + c] = Math.round((255 * ((value & mask) >>> shift)) / most);
    }
  }
  return { data, width, height, channels };
}

/** Indices of a file with run lengths. Pixels that it skips have index 0. */
function unpackRuns(bytes: Buffer, header: Header): Uint8Array {
  const { width, height, bits, offset } = header;
  const indices = new Uint8Array(width * height);
  let [at, x, y] = [offset, 0, 0];
  const next = (): number => {
    if (at >= bytes.length) throw new Error(`it ends in row ${y + 1} of ${height}`);
    return bytes[at++]!;
  };
  const put = (index: number): void => {
    if (x >= width || y >= height) throw new Error('its runs leave the picture');
    indices[rowOf(header, y) * width + x++] = index;
  };
  const perByte = 8 / bits;
  const part = (byte: number, i: number) => (bits === 8 ? byte : (byte >> (i % 2 === 0 ? 4 : 0)) & 15);
  for (;;) {
    const count = next();
    const code = next();
    if (count > 0) for (let i = 0; i < count; i++) put(part(code, i));
    else if (code === 0) [x, y] = [0, y + 1];
    else if (code === 1) return indices;
    else if (code === 2) [x, y] = [x + next(), y + next()];
    else {
      let byte = 0;
      for (let i = 0; i < code; i++) {
        if (i % perByte === 0) byte = next();
        put(part(byte, i));
      }
      // Literal pixels fill pairs of bytes.
      if (Math.ceil(code / perByte) % 2 === 1) next();
    }
  }
}
