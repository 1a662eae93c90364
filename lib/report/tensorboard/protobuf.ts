/** The part of the protocol buffers encoding that events need (protobuf.dev/programming-guides/encoding). */

const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  // Not by shifts: a step may need more than 32 bits.
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

function tagged(field: number, type: keyof typeof wireType, value: Uint8Array): Buffer {
  return Buffer.concat([varint(field * 8 + wireType[type]), value]);
}

/** A whole number from 0 to 2⁵³. */
export function integer(field: number, value: number): Buffer {
  return tagged(field, 'varint', varint(value));
}

/** A float64. */
export function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return tagged(field, 'fixed64', bytes);
}

/** A number as float32. */
export function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return tagged(field, 'fixed32', bytes);
}

/** Bytes, or a text in UTF-8. */
export function bytes(field: number, value: Uint8Array | string): Buffer {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return tagged(field, 'bytes', Buffer.concat([varint(content.length), content]));
}

/** A message in a message. */
export function message(field: number, ...fields: Uint8Array[]): Buffer {
  return bytes(field, Buffer.concat(fields));
}
