/** A baseline JPEG of flat grey 8×8 blocks with restart markers, which sharp cannot write. */

/** @param interval number of blocks between two restart markers. */
export function restartJpeg(columns: number, rows: number, interval: number): Buffer {
  const segment = (marker: number, ...bytes: number[]) => [
    ...[0xff, marker, (bytes.length + 2) >> 8, (bytes.length + 2) & 255],
    ...bytes,
  ];
  const [width, height] = [8 * columns, 8 * rows];
  const categories = Array.from({ length: 12 }, (_, i) => i);
  const out = [
    ...[0xff, 0xd8],
    ...segment(0xdb, 0, ...new Array<number>(64).fill(8)),
    ...segment(0xc0, 8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0),
    // Sizes of differences have four bits; a block has no other coefficients (one bit).
    ...segment(0xc4, 0x00, 0, 0, 0, 12, ...new Array<number>(12).fill(0), ...categories),
    ...segment(0xc4, 0x10, 1, ...new Array<number>(15).fill(0), 0),
    ...segment(0xdd, interval >> 8, interval & 255),
    ...segment(0xda, 1, 1, 0, 0, 63, 0),
  ];
  let bits = '';
  const flush = () => {
    bits = bits.padEnd(8 * Math.ceil(bits.length / 8), '1');
    for (const [byte] of bits.matchAll(/.{8}/g)) {
      const value = parseInt(byte, 2);
      out.push(...(value === 255 ? [255, 0] : [value]));
    }
    bits = '';
  };
  let before = 0;
  for (let i = 0; i < columns * rows; i++) {
    if (i > 0 && i % interval === 0) {
      flush();
      out.push(0xff, 0xd0 + ((i / interval - 1) % 8));
      before = 0;
    }
    const grey = ((i * 37) % 200) - 100;
    const difference = grey - before;
    before = grey;
    const size = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
    const coded = difference > 0 ? difference : difference + 2 ** size - 1;
    bits += size.toString(2).padStart(4, '0');
    if (size > 0) bits += coded.toString(2).padStart(size, '0');
    bits += '0';
  }
  flush();
  return Buffer.from([...out, 0xff, 0xd9]);
}
