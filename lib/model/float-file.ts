/** float32 arrays in safetensors files. */
import { engine } from '../native/engine.js';
import type { TensorHandle } from '../native/bindings/engine.js';
import { Tensor } from './tensor.js';

/** An array with its sizes, outermost first. */
export interface ShapedFloats {
  data: Float32Array;
  shape: number[];
}

/** Hands arrays as tensors to `use`, and frees them after. */
export async function withTensors<T>(
  arrays: Record<string, ShapedFloats>,
  use: (handles: Record<string, TensorHandle>) => T | Promise<T>,
): Promise<T> {
  const owned: Tensor[] = [];
  try {
    const handles: Record<string, TensorHandle> = {};
    for (const [name, { data, shape }] of Object.entries(arrays)) {
      const tensor = Tensor.from(data, shape);
      owned.push(tensor);
      handles[name] = tensor.handle;
    }
    return await use(handles);
  } finally {
    for (const tensor of owned) tensor.dispose();
  }
}

/** Temporary file, synced, renamed. @throws DinoSegError SHAPE, DISK_FULL, IO */
export async function writeFloats(
  path: string,
  arrays: Record<string, ShapedFloats>,
  metadata: Record<string, string>,
): Promise<void> {
  await withTensors(arrays, (handles) => engine().writeSafetensors(path, handles, metadata));
}

/** @throws DinoSegError CHECKPOINT_* */
export async function readFloats(path: string, names: string[]): Promise<Record<string, Float32Array>> {
  const { tensors } = await engine().readTensors(path, names);
  const values: Record<string, Float32Array> = {};
  for (const [name, handle] of Object.entries(tensors)) {
    using tensor = Tensor.wrap(handle);
    values[name] = await tensor.floats();
  }
  return values;
}
