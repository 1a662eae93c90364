/** A tensor of the engine, on any device, as an object with a shape. */
import { checkArgument, instanceOf, kind, listOf, number } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { DType, TensorArray, TensorHandle } from '../native/bindings/engine.js';
import { OwnedHandle } from './owned-handle.js';

const arrays = [Float64Array, Float32Array, BigInt64Array, Int32Array, Int16Array, Int8Array, Uint8Array];
const arrayKind = kind<TensorArray>('a typed array of a tensor', (value) =>
  arrays.some((type) => value instanceof type),
);
const shapeKind = listOf(number, 'an array of sizes');

/**
 * A tensor owned by the engine. `dispose()` or `using` frees its memory. The garbage collector frees it at the
 * latest, but does not know how large it is: dispose of tensors in loops.
 */
export class Tensor implements Disposable {
  /** Shape, outermost dimension first; empty for a scalar. */
  readonly shape: readonly number[];
  /** Data type of the elements. */
  readonly dtype: DType;
  /** `cpu`, `cuda:0`, … */
  readonly device: string;
  readonly #owned: OwnedHandle<TensorHandle>;

  private constructor(handle: TensorHandle) {
    const { shape, dtype, device } = engine().tensorInfo(handle);
    this.#owned = new OwnedHandle(handle, () => `A tensor of shape ${this.shape.join('×')}`);
    this.shape = shape;
    this.dtype = dtype;
    this.device = device;
  }

  /**
   * Copies an array into a CPU tensor of the array's dtype.
   *
   * @throws DinoSegError SHAPE if `shape` does not match the array's length.
   */
  static from(data: TensorArray, shape: readonly number[]): Tensor {
    checkArgument(data, arrayKind, 'Tensor.from(data)');
    checkArgument(shape, shapeKind, 'Tensor.from(shape)');
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements !== data.length)
      throw new DinoSegError(
        'SHAPE',
        `A tensor of shape ${shape.join('×') || 'scalar'} has ${elements} elements; the array has ${data.length}.`,
      );
    return new Tensor(engine().tensor(data, [...shape]));
  }

  /** Wraps a handle of the engine and owns it. @internal */
  static wrap(handle: TensorHandle): Tensor {
    return new Tensor(handle);
  }

  /** The engine's own handle. @throws DinoSegError DISPOSED @internal */
  get handle(): TensorHandle {
    return this.#owned.get();
  }

  /**
   * Returns `count` items of the outermost dimension (such as images of a batch) from `first` on, as a new tensor
   * in the same memory. Dispose of both.
   *
   * @throws DinoSegError SHAPE if the items do not exist, DISPOSED
   */
  slice(first: number, count: number): Tensor {
    return new Tensor(engine().slice(this.handle, { first, count }));
  }

  /** Copies the values to the CPU: bfloat16 and float16 as Float32Array, bool as Uint8Array. @throws DinoSegError DISPOSED */
  async data(): Promise<TensorArray> {
    return (await engine().tensorData(this.handle)).data;
  }

  /**
   * Returns {@link data} and disposes of the tensor. No copy is made if the tensor is on the CPU and nothing else
   * uses its memory.
   *
   * @throws DinoSegError DISPOSED
   */
  async take(): Promise<TensorArray> {
    return (await engine().takeData(this.#owned.give())).data;
  }

  /** The values as float32, for any real dtype. @throws DinoSegError DISPOSED */
  async floats(): Promise<Float32Array> {
    const data = await this.data();
    return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>, Number);
  }

  /** Frees the tensor's memory now. Calling it again does nothing. */
  dispose(): void {
    this.#owned.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

export const tensorKind = instanceOf('a Tensor', () => Tensor);
