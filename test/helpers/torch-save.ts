/** Writes archives as torch.save and torch.jit.save do, to check against: dicts within dicts, tensors, numbers, and objects. */
import { writeFile } from 'node:fs/promises';
import { zipOf, type ZipEntry } from './zip.js';

/** A tensor to save: values that are rounded to its dtype. */
export interface SavedTensor {
  shape: readonly number[];
  data: ArrayLike<number>;
  /** Default: float32. */
  dtype?: 'float32' | 'float64' | 'float16' | 'int64';
  /** As a torch.nn.Parameter. */
  parameter?: boolean;
}

/** An object of a class in the file's code, by the class's name in `__torch__`. */
export class SavedObject {
  constructor(
    readonly className: string,
    readonly fields: Saved,
    /** Module of the class. */
    readonly module = '__torch__',
  ) {}
}

/** What torch.save gets: a tensor, a number, or a dict of such; in objects also flags and texts. */
export type Saved = SavedTensor | SavedObject | number | boolean | string | { [key: string]: Saved };

const storages = {
  float32: { type: 'FloatStorage', array: Float32Array },
  float64: { type: 'DoubleStorage', array: Float64Array },
  float16: { type: 'HalfStorage', array: Uint16Array },
  int64: { type: 'LongStorage', array: BigInt64Array },
} as const;

const isTensor = (value: Saved): value is SavedTensor =>
  typeof value === 'object' && 'shape' in value && Array.isArray(value.shape);

/** The bits of a number in float16, rounded to the nearest, for numbers that are normal there. */
function halfBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = (bits >>> 23) & 0xff;
  const sign = (bits >>> 16) & 0x8000;
  if (exponent === 0xff) return sign | 0x7c00 | (bits & 0x7fffff ? 0x200 : 0);
  if (exponent < 113) return sign;
  const rounded = (bits & 0x7fffffff) - (112 << 23) + 0xfff + ((bits >>> 13) & 1);
  return sign | Math.min(rounded >>> 13, 0x7c00);
}

function bytesOf(data: ArrayLike<number>, dtype: keyof typeof storages): Uint8Array {
  if (dtype === 'int64') return new Uint8Array(BigInt64Array.from(Array.from(data), BigInt).buffer);
  const values = dtype === 'float16' ? Array.from(data, halfBits) : data;
  return new Uint8Array(storages[dtype].array.from(values).buffer);
}

/** Opcodes of pickle, protocol 2. */
class Pickle {
  readonly #parts: Buffer[] = [Buffer.from([0x80, 2])];
  readonly #data: ZipEntry[] = [];

  /** The pickle, and the entries of the tensors in it. */
  get entries(): ZipEntry[] {
    const data = Buffer.concat([...this.#parts, Buffer.from('.')]);
    return [{ name: 'archive/data.pkl', data, stored: true }, ...this.#data];
  }

  byte(...codes: (string | number)[]): this {
    for (const code of codes) this.#parts.push(Buffer.from(typeof code === 'string' ? code : [code]));
    return this;
  }

  #text(text: string): void {
    const bytes = Buffer.from(text);
    this.byte('X').#parts.push(Buffer.from(Int32Array.of(bytes.length).buffer), bytes);
  }

  #number(value: number): void {
    this.byte('J').#parts.push(Buffer.from(Int32Array.of(value).buffer));
  }

  #tuple(values: readonly number[]): void {
    this.byte('(');
    for (const value of values) this.#number(value);
    this.byte('t');
  }

  #tensor({ shape, data, dtype = 'float32', parameter = false }: SavedTensor): void {
    const { type } = storages[dtype];
    const key = String(this.#data.length);
    this.#data.push({ name: `archive/data/${key}`, data: bytesOf(data, dtype), stored: true });
    if (parameter) this.byte('ctorch._utils\n_rebuild_parameter\n', '(');
    this.byte('ctorch._utils\n_rebuild_tensor_v2\n', '(', '(');
    this.#text('storage');
    this.byte(`ctorch\n${type}\n`);
    this.#text(key);
    this.#text('cpu');
    this.#number(data.length);
    this.byte('t', 'Q');
    this.#number(0);
    this.#tuple(shape);
    this.#tuple(shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1)));
    this.byte(0x89, 'ccollections\nOrderedDict\n', ')', 'R', 't', 'R');
    if (parameter) this.byte(0x88, 'ccollections\nOrderedDict\n', ')', 'R', 't', 'R');
  }

  value(value: Saved): this {
    if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'boolean') this.byte(value ? 0x88 : 0x89);
    else if (typeof value === 'string') this.#text(value);
    else if (value instanceof SavedObject) {
      this.byte(`c${value.module}\n${value.className}\n`, ')', 0x81);
      this.value(value.fields).byte('b');
    } else if (isTensor(value)) this.#tensor(value);
    else {
      this.byte('}', '(');
      for (const [key, each] of Object.entries(value)) {
        this.#text(key);
        this.value(each);
      }
      this.byte('u');
    }
    return this;
  }

  archive(): Buffer {
    return zipOf([
      ...this.entries,
      { name: 'archive/byteorder', data: 'little', stored: true },
      { name: 'archive/version', data: '3\n', stored: true },
    ]);
  }
}

/** Writes `torch.save(content, path)`. */
export async function torchSave(path: string, content: Saved): Promise<void> {
  await writeFile(path, new Pickle().value(content).archive());
}

/** The entries of `torch.jit.save(object, path)` with the given source files, by their names in `code/`. */
export function scriptEntries(object: SavedObject, code: Record<string, string>): ZipEntry[] {
  return [
    ...new Pickle().value(object).entries,
    ...Object.entries(code).map(([name, data]) => ({ name: `archive/code/${name}`, data })),
    { name: 'archive/constants.pkl', data: Buffer.from([0x80, 2, ...Buffer.from(').')]), stored: true },
    { name: 'archive/version', data: '3\n', stored: true },
  ];
}
