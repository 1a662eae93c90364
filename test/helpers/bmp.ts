/** Writes BMP files, which sharp does not. */

export interface MadeBmp {
  width: number;
  /** Negative: the first row is the top one. */
  height: number;
  bits: number;
  compression?: number;
  /** Of the picture's header: 12, 40, 52, 56, 108 or 124. */
  headerSize?: number;
  /** Red, green and blue of each index. */
  palette?: readonly (readonly [number, number, number])[];
  masks?: readonly number[];
  /** What follows headers and palette. */
  pixels: Uint8Array;
}

export function makeBmp(bmp: MadeBmp): Buffer {
  const { width, height, bits, compression = 0, headerSize = 40, palette = [], masks = [], pixels } = bmp;
  const header = Buffer.alloc(Math.max(14 + headerSize, masks.length > 0 ? 54 + 4 * masks.length : 0));
  const colours = palette.flatMap(([r, g, b]) => (headerSize === 12 ? [b, g, r] : [b, g, r, 0]));
  header.write('BM');
  header.writeUInt32LE(header.length + colours.length + pixels.length, 2);
  header.writeUInt32LE(header.length + colours.length, 10);
  header.writeUInt32LE(headerSize, 14);
  if (headerSize === 12) {
    header.writeUInt16LE(width, 18);
    header.writeUInt16LE(height, 20);
    header.writeUInt16LE(bits, 24);
  } else {
    header.writeInt32LE(width, 18);
    header.writeInt32LE(height, 22);
    header.writeUInt16LE(1, 26);
    header.writeUInt16LE(bits, 28);
    header.writeUInt32LE(compression, 30);
    header.writeUInt32LE(palette.length, 46);
    masks.forEach((mask, i) => header.writeUInt32LE(mask, 54 + 4 * i));
  }
  return Buffer.concat([header, Buffer.from(colours), pixels]);
}

/** Rows, the lowest first, padded to four bytes. */
export function bmpRows(rows: readonly (readonly number[])[]): Buffer {
  const padded = rows.map((row) => [...row, ...new Array<number>((4 - (row.length % 4)) % 4).fill(0)]);
  return Buffer.from(padded.reverse().flat());
}
