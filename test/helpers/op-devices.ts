/** Where the operators' tests run, and whose kernels they compare. */
import { engine } from '../../lib/native/engine.js';
import type { TensorArray, TensorHandle } from '../../lib/native/bindings/engine.js';
import { moved } from './operators.js';

const { cudaAvailable, cudaKernels } = engine().info();
const withoutKernels = cudaKernels ? false : 'the CUDA kernels are not used';
/** The kernels have a CUDA runtime of their own, which must follow libtorch to another device. */
const hasSecond = engine()
  .devices()
  .some(({ name }) => name === 'cuda:1');

/** `skip` is the reason why a device's tests cannot run, or false. */
export const opDevices = [
  { device: 'cpu', skip: false },
  { device: 'cuda', skip: cudaAvailable ? withoutKernels : 'no CUDA device answers' },
  ...(hasSecond ? [{ device: 'cuda:1', skip: withoutKernels } as const] : []),
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
