import { crc32, deflateSync } from 'node:zlib';

function chunk(type: string, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length, 0);
  whole.write(type, 4, 'latin1');
  whole.set(data, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
  return whole;
}

export interface PngParts {
  width: number;
  /** Packed samples of each row. */
  rows: readonly (readonly number[])[];
  bitDepth: 1 | 2 | 4 | 8 | 16;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA */
  colourType: 0 | 2 | 3 | 4 | 6;
  /** RGB, flat. */
  palette?: readonly number[];
  transparency?: readonly number[];
  gamma?: number;
}

/** A PNG put together by hand, for the kinds that no encoder would choose. */
export function makePng(parts: PngParts): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(parts.width, 0);
  header.writeUInt32BE(parts.rows.length, 4);
  header[8] = parts.bitDepth;
  header[9] = parts.colourType;
  const list = [Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header)];
  if (parts.gamma !== undefined) {
    const gamma = Buffer.alloc(4);
    gamma.writeUInt32BE(Math.round(parts.gamma * 100_000));
    list.push(chunk('gAMA', gamma));
  }
  if (parts.palette) list.push(chunk('PLTE', Uint8Array.from(parts.palette)));
  if (parts.transparency) list.push(chunk('tRNS', Uint8Array.from(parts.transparency)));
  const data = Buffer.concat(parts.rows.map((row) => Buffer.from([0, ...row])));
  list.push(chunk('IDAT', deflateSync(data)), chunk('IEND', new Uint8Array()));
  return Buffer.concat(list);
}
