/** An independent reader of TensorBoard's event files: TFRecord's framing, and protocol buffers decoded by BigInt and bit. */

/** CRC-32C bit by bit. */
function crc32c(data: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  return Number(crc ^ 0xffffffffn);
}

function unmask(masked: number): number {
  const rotated = (BigInt(masked) - 0xa282ead8n) & 0xffffffffn;
  return Number(((rotated >> 17n) | (rotated << 15n)) & 0xffffffffn);
}

/** The records of a file; what a stopped write cut short at the end is left out, anything else that is wrong throws. */
export function readFrames(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let offset = 0; offset + 12 <= file.length;) {
    const length = Number(file.readBigUInt64LE(offset));
    if (crc32c(file.subarray(offset, offset + 8)) !== unmask(file.readUInt32LE(offset + 8)))
      throw new Error(`the checksum of the length at ${offset} does not fit`);
    const data = file.subarray(offset + 12, offset + 12 + length);
    if (offset + 16 + length > file.length) break;
    if (crc32c(data) !== unmask(file.readUInt32LE(offset + 12 + length)))
      throw new Error(`the checksum of the record at ${offset} does not fit`);
    records.push(data);
    offset += 16 + length;
  }
  return records;
}

type Field = { number: number; value: bigint | Buffer };

function readVarint(data: Buffer, start: number): [value: bigint, end: number] {
  let value = 0n;
  for (let i = start; ; i++) {
    value |= BigInt(data[i]! & 127) << BigInt(7 * (i - start));
    if (data[i]! < 128) return [value, i + 1];
  }
}

function fields(data: Buffer): Field[] {
  const found: Field[] = [];
  for (let offset = 0; offset < data.length;) {
    const [key, start] = readVarint(data, offset);
    const number = Number(key >> 3n);
    const wire = Number(key & 7n);
    if (wire === 0) {
      const [value, end] = readVarint(data, start);
      found.push({ number, value });
      offset = end;
      continue;
    }
    const [length, from] =
      wire === 1 ? [8n, start] : wire === 5 ? [4n, start] : wire === 2 ? readVarint(data, start) : [NaN, 0];
    if (Number.isNaN(Number(length))) throw new Error(`wire type ${wire}`);
    offset = from + Number(length);
    found.push({ number, value: data.subarray(from, offset) });
  }
  return found;
}

/** The only field of that number; undefined where there is none. */
function one(data: Buffer, number: number): bigint | Buffer | undefined {
  const all = fields(data).filter((field) => field.number === number);
  if (all.length > 1) throw new Error(`field ${number} is there ${all.length} times`);
  return all[0]?.value;
}

function path(data: Buffer, ...numbers: number[]): Buffer {
  return numbers.reduce((inner, number) => one(inner, number) as Buffer, data);
}

/** An event as the files hold it. */
export interface ReadEvent {
  wallTime: number;
  step: number;
  version?: string;
  /** SessionLog's status; 1: START. */
  session?: number;
  scalars: Record<string, number>;
  texts: Record<string, string>;
  images: Record<string, { width: number; height: number; channels: number; png: Buffer }>;
}

function readValue(value: Buffer, event: ReadEvent): void {
  const tag = String(one(value, 1));
  const scalar = one(value, 2) as Buffer | undefined;
  const image = one(value, 4) as Buffer | undefined;
  const tensor = one(value, 8) as Buffer | undefined;
  if (scalar) event.scalars[tag] = scalar.readFloatLE();
  if (image) {
    const [height, width, channels] = [1, 2, 3].map((number) => Number(one(image, number)));
    event.images[tag] = { width: width!, height: height!, channels: channels!, png: one(image, 4) as Buffer };
  }
  if (tensor) {
    if (String(path(value, 9, 1, 1)) !== 'text' || one(tensor, 1) !== 7n || one(path(tensor, 2, 2), 1) !== 1n)
      throw new Error(`"${tag}" is no text`);
    event.texts[tag] = String(one(tensor, 8));
  }
}

/** The events of a file, in order. */
export function readEvents(file: Buffer): ReadEvent[] {
  return readFrames(file).map((data) => {
    const event: ReadEvent = {
      wallTime: (one(data, 1) as Buffer).readDoubleLE(),
      step: Number(one(data, 2)),
      scalars: {},
      texts: {},
      images: {},
    };
    const version = one(data, 3);
    const summary = one(data, 5) as Buffer | undefined;
    const session = one(data, 7) as Buffer | undefined;
    if (version !== undefined) event.version = String(version);
    if (session) event.session = Number(one(session, 1));
    for (const { number, value } of summary ? fields(summary) : [])
      if (number === 1) readValue(value as Buffer, event);
    return event;
  });
}
