/** Where the operators' tests run, and whose kernels they compare. */
import { engine } from '../../lib/native/engine.js';
import type { TensorArray, TensorHandle } from '../../lib/native/bindings/engine.js';
import { moved } from './operators.js';

const { cudaAvailable, cudaKernels } = engine().info();
const withoutKernels = cudaKernels ? false : 'the CUDA kernels were not built';

/** `skip` is the reason why a device's tests cannot run, or false. */
export const opDevices = [
  { device: 'cpu', skip: false },
  { device: 'cuda', skip: cudaAvailable ? withoutKernels : 'no CUDA device answers' },
] as const;

export async function onDevice(
  data: TensorArray,
  shape: readonly number[],
  device: string,
): Promise<TensorHandle> {
  return moved(engine().tensor(data, [...shape]), { device });
}

export async function valuesOf(tensor: TensorHandle): Promise<TensorArray> {
  return (await engine().tensorData(tensor)).data;
}
