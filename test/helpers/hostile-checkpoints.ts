/** Small checkpoints that ask for far more memory or time than their size: each of about `bytes` bytes. */
import { zipOf } from './zip.js';

/** Opcodes of pickle, protocol 2, put together one by one. */
class Opcodes {
  readonly #parts: Buffer[] = [Buffer.from([0x80, 2])];
  #size = 2;

  get size(): number {
    return this.#size;
  }

  add(...codes: (string | number)[]): this {
    for (const code of codes) {
      const part = typeof code === 'string' ? Buffer.from(code, 'latin1') : Buffer.from([code]);
      this.#parts.push(part);
      this.#size += part.length;
    }
    return this;
  }

  text(text: string): this {
    return this.add('X', uint32(Buffer.byteLength(text)), Buffer.from(text).toString('latin1'));
  }

  integer(value: number): this {
    return this.add('J', uint32(value));
  }

  put(index: number): this {
    return this.add('q', index);
  }

  get(index: number): this {
    return this.add('h', index);
  }

  /** Adds to `add(i)` until the pickle has this size. */
  until(bytes: number, add: (index: number) => void): this {
    for (let i = 0; this.#size < bytes; i++) add(i);
    return this;
  }

  /** Adds a key's value, from the memo, and makes a value for nothing: limits that follow their number allow more. */
  reuse(index: number): this {
    return this.get(index).add('G', '\0'.repeat(8), '0');
  }

  /** Of a tensor of these sizes, in a storage of so many elements: leaves the function at 0, the arguments of a float32 tensor at 1, the storage's id at 2. */
  tensorParts(sizes: readonly number[] = [1], type = 'FloatStorage', key = '0', elements = 2): this {
    this.add('ctorch._utils\n_rebuild_tensor_v2\n')
      .put(0)
      .add('0((')
      .text('storage')
      .add(`ctorch\n${type}\n`);
    this.text(key).text('cpu').integer(elements).add('t').put(2).add('Q').integer(0);
    for (const numbers of [sizes, sizes.map(() => 1)]) {
      this.add('(');
      for (const number of numbers) this.integer(number);
      this.add('t');
    }
    return this.add(0x89, 'ccollections\nOrderedDict\n)Rt').put(1).add('0');
  }

  /** A tensor of those parts, without a memo of its own. */
  tensor(): this {
    return this.get(0).get(1).add('R');
  }

  /** A .pth file; `code`: a TorchScript file. */
  archive({ torchscript = false, storages = { '0': Buffer.alloc(8) } }: ArchiveOptions = {}): Buffer {
    const stored = (name: string, data: Uint8Array | string) => ({ name: `a/${name}`, data, stored: true });
    return zipOf([
      stored('data.pkl', Buffer.concat([...this.#parts, Buffer.from('.')])),
      ...(torchscript ? [stored('constants.pkl', Buffer.from([0x80, 2, 0x29, 0x2e]))] : []),
      ...Object.entries(storages).map(([key, data]) => stored(`data/${key}`, data)),
    ]);
  }
}

interface ArchiveOptions {
  torchscript?: boolean;
  storages?: Record<string, Uint8Array>;
}

const uint32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).toString('latin1');

/** Opcodes of a pickle to be made by a test. */
export const pickle = (): Opcodes => new Opcodes();

const depth = 95;

/** `{outer: {outer: … {inner}}}`, of dicts or modules. */
function nested(
  opcodes: Opcodes,
  outer: (level: number) => void,
  inner: () => void,
  torchscript = false,
): void {
  const open = torchscript ? ['c__torch__\nM\n)', 0x81, '}('] : ['}('];
  for (let level = 0; level < depth; level++) {
    opcodes.add(...open);
    outer(level);
  }
  opcodes.add(...open);
  inner();
  for (let level = 0; level <= depth; level++) opcodes.add(torchscript ? 'ub' : 'u');
}

/** By name: what the file does, as the file. */
export const hostilePickles: Record<string, (bytes: number) => Buffer> = {
  'one long string as the key of every tensor': (bytes) => {
    const p = pickle()
      .tensorParts()
      .tensor()
      .put(3)
      .add('0')
      .text('k'.repeat(bytes / 2))
      .put(4)
      .add('0}(');
    return p
      .until(bytes, () => p.get(4).reuse(3))
      .add('u')
      .archive();
  },
  'one long string as the metadata of every key': (bytes) => {
    const p = pickle()
      .tensorParts()
      .text('v'.repeat(bytes / 2))
      .put(4)
      .add('0}(')
      .text('w')
      .tensor();
    return p
      .until(bytes, (i) => p.text(`k${i}`).get(4))
      .add('u')
      .archive();
  },
  'one long string as the name of every class': (bytes) => {
    const p = pickle()
      .text('__torch__')
      .put(3)
      .add('0')
      .text('C'.repeat(bytes / 2))
      .put(4)
      .add('0(');
    return p
      .until(bytes, () => p.get(3).get(4).add(0x93))
      .add('t')
      .archive({ torchscript: true });
  },
  'long names of nested modules': (bytes) => {
    const p = pickle()
      .tensorParts()
      .tensor()
      .put(3)
      .add('0')
      .text('n'.repeat(bytes / 2))
      .put(4)
      .add('0');
    const inner = () => void p.until(bytes, (i) => p.integer(i).get(3));
    nested(p, () => p.get(4), inner, true);
    return p.archive({ torchscript: true });
  },
  'short names of nested modules': (bytes) => {
    const p = pickle().tensorParts().tensor().put(3).add('0').text('n'.repeat(250)).put(4).add('0');
    const inner = () => void p.until(bytes, (i) => p.integer(i).get(3));
    nested(p, () => p.get(4), inner, true);
    return p.archive({ torchscript: true });
  },
  'a state dict within 95 others': (bytes) => {
    const p = pickle().tensorParts().tensor().put(3).add('0').text('model').put(4).add('0');
    const inner = () => void p.until(bytes, (i) => p.integer(i).reuse(3));
    nested(p, () => p.get(4), inner);
    return p.archive();
  },
  'empty containers beside a state dict within 95 others': (bytes) => {
    const p = pickle().tensorParts().text('model').put(4).add('0');
    const inner = () =>
      void p
        .until(bytes, (i) => p.integer(i).add('}'))
        .text('w')
        .tensor();
    nested(p, () => p.get(4), inner);
    return p.archive();
  },
  'one tensor under every key': (bytes) => {
    const p = pickle().tensorParts([1, 1]).tensor().put(3).add('0}(');
    return p
      .until(bytes, (i) => p.integer(i).get(3))
      .add('u')
      .archive();
  },
  'tensors of 64 dimensions': (bytes) => {
    const p = pickle()
      .tensorParts(Array.from({ length: 64 }, () => 1))
      .add('}(');
    return p
      .until(bytes, (i) => p.integer(i).tensor())
      .add('u')
      .archive();
  },
  'one tensor of 64 dimensions under every key': (bytes) => {
    const p = pickle()
      .tensorParts(Array.from({ length: 64 }, () => 1))
      .tensor()
      .put(3)
      .add('0}(');
    return p
      .until(bytes, (i) => p.integer(i).get(3))
      .add('u')
      .archive();
  },
  'a million empty lists': (bytes) => {
    const p = pickle().tensorParts([2]).add('}(').text('lists').add('(').add(']'.repeat(bytes)).add('t');
    return p.text('w').tensor().add('u').archive();
  },
  'a million entries of the memo': (bytes) => pickle().add('}', '\x94'.repeat(bytes)).archive(),
  'an entry far up in the memo': () => pickle().add('}r', uint32(0x7fffffff)).archive(),
  'a long name of data, asked for again and again': (bytes) => {
    const key = 'd'.repeat(60_000);
    const p = pickle().tensorParts([1], 'FloatStorage', key);
    return p
      .until(bytes, () => p.get(2).add('Q0'))
      .add('}')
      .archive({ storages: { [key]: Buffer.alloc(8) } });
  },
  'a long list as the metadata, walked again and again': (bytes) => {
    const p = pickle()
      .tensorParts([2])
      .add('](')
      .add('N'.repeat(bytes / 2));
    p.add('e').put(3).add('0}(').text('w').tensor();
    return p
      .until(bytes, (i) => p.integer(i).get(3))
      .add('u')
      .archive();
  },
  'sixty lists, each twice in the next': () => {
    const p = pickle().tensorParts([2]).add(']').put(3).add('0');
    for (let i = 3; i < 63; i++)
      p.add('(')
        .get(i)
        .get(i)
        .add('l')
        .put(i + 1)
        .add('0');
    return p.add('}(').text('w').tensor().text('lists').get(63).add('u').archive();
  },
  'a key made of wrappers': (bytes) => {
    const p = pickle()
      .tensorParts([2])
      .add('}(')
      .text('_orig_mod.'.repeat(bytes / 10))
      .tensor();
    return p.add('u').archive();
  },
  'keys made of prefixes': (bytes) => {
    const p = pickle().tensorParts([2]).tensor().put(3).add('0}(');
    return p
      .until(bytes, (i) => p.text(`${'model.'.repeat(100)}blocks.${i}.norm1.weight`).get(3))
      .add('u')
      .archive();
  },
};

/** A .safetensors file of this header, and of so many bytes of data. */
export function safetensorsFile(header: string, dataBytes: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([size, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

/** `entry(i)` for as long as the header is shorter than `bytes`. */
function headerOf(bytes: number, entry: (index: number) => string): string {
  const entries: string[] = [];
  for (let size = 0; size < bytes; size += entries.at(-1)!.length + 1) entries.push(entry(entries.length));
  return entries.join(',');
}

/** By name: what the header does, as the file. */
export const hostileHeaders: Record<string, (bytes: number) => Buffer> = {
  'a header of the smallest tensors': (bytes) =>
    safetensorsFile(
      `{${headerOf(bytes, (i) => `"${i.toString(36)}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`)}}`,
      0,
    ),
  'a header of tensors of 64 dimensions': (bytes) => {
    const shape = Array.from({ length: 64 }, () => 0).join();
    const entry = (i: number) => `"${i.toString(36)}":{"dtype":"U8","shape":[${shape}],"data_offsets":[0,0]}`;
    return safetensorsFile(`{${headerOf(bytes, entry)}}`, 0);
  },
  'a header of metadata': (bytes) =>
    safetensorsFile(`{"__metadata__":{${headerOf(bytes, (i) => `"${i.toString(36)}":""`)}}}`, 0),
};
