/** Whether the fused CUDA kernels can be used on this machine; without them libtorch's own operators serve. */
import { existsSync } from 'node:fs';
import { isCutShort } from './elf.js';

/** What a cuda_kernels.so says of itself, of the driver and of the visible devices. */
export interface KernelFacts {
  /** The CUDA that it was built with, such as 13000. */
  runtime: number;
  /** The newest CUDA that the driver supports; 0 without a driver. */
  driver: number;
  /** Compute capabilities that it has machine code for, and PTX for: `80 86 90`. */
  architectures: string;
  ptx: string;
  /** Compute capabilities of the visible devices: the first is that of `cuda:0`. */
  devices: { major: number; minor: number }[];
  /** Why the devices could not be listed, in CUDA's words. */
  problem?: string;
}

/** What became of the kernels, and the visible devices, where the kernels could say. */
export type KernelUse = { devices: KernelFacts['devices'] } & (
  | { used: true; detail: string }
  /** `reason` and `advice` are sentences. `slower`: whether that costs anything, since there is a CUDA device. */
  | { used: false; reason: string; advice: string; slower: boolean }
);

/** The parts that {@link useKernels} puts together. */
export interface KernelParts {
  /** DINOV3_SEG_CUDA_KERNELS */
  setting: string | undefined;
  /** Paths of cuda_kernels.so and cuda_ops.so. */
  kernels: string;
  operators: string;
  /** The loader's functions. Each throws what the system's loader says. */
  openLibrary(path: string): void;
  readCudaKernels(path: string): KernelFacts;
  useCudaKernels(kernels: string, operators: string): boolean;
  /** Whether libtorch finds a CUDA device. Asked only where the kernels are not used. */
  hasDevices(): boolean;
}

interface Refusal {
  reason: string;
  advice: string;
}

/** Minimum driver for each major version of CUDA (NVIDIA's table of minor version compatibility, Linux). */
export const leastDriver: Record<string, string> = { 12: '525.60', 13: '580' };

const rebuild =
  'Reinstall the package, or install the CUDA toolkit (nvcc) and run `npm run build:native` in its folder (docs/install.md).';

/**
 * Opens the operators and hands them the kernels, where these can serve every visible device. Whatever is in the way is the
 * result, never an error.
 */
export function useKernels(parts: KernelParts): KernelUse {
  const { facts, refusal } = handOver(parts);
  const devices = facts?.devices ?? [];
  if (!refusal) return { used: true, devices, detail: `${parts.kernels} serves ${served(facts!)}` };
  return { used: false, devices, ...refusal, slower: devices.length > 0 || parts.hasDevices() };
}

/** What the kernels say, as far as they were asked, and what is in the way. */
function handOver(parts: KernelParts): { facts?: KernelFacts; refusal?: Refusal } {
  const { setting, kernels, operators } = parts;
  // In any case: CUDA graphs need them, and no kernels.
  const open = opened(operators, () => parts.openLibrary(operators));
  if (open.refusal) return { refusal: open.refusal };
  if (setting === 'off')
    return {
      refusal: { reason: 'DINOV3_SEG_CUDA_KERNELS=off turns them off.', advice: 'Unset it to use them.' },
    };
  const read = opened(kernels, () => parts.readCudaKernels(kernels));
  if (read.refusal) return { refusal: read.refusal };
  const facts = read.result;
  const unserved = refusalOf(facts);
  if (unserved) return { facts, refusal: unserved };
  const use = opened(kernels, () => parts.useCudaKernels(kernels, operators));
  if (use.refusal) return { facts, refusal: use.refusal };
  return use.result ? { facts } : { facts, refusal: ofTwoBuilds(kernels, operators) };
}

/** What a library gives, or why it cannot be used. */
function opened<T>(
  file: string,
  open: () => T,
): { result: T; refusal?: undefined } | { result?: undefined; refusal: Refusal } {
  if (!existsSync(file)) return { refusal: { reason: `${file} does not exist.`, advice: rebuild } };
  try {
    // The system's loader does not check that: it would end the process.
    if (isCutShort(file)) return { refusal: { reason: `${file} is cut short.`, advice: rebuild } };
    return { result: open() };
  } catch (cause) {
    const reason = `${file} cannot be loaded: ${(cause as Error).message}.`;
    return { refusal: { reason, advice: rebuild } };
  }
}

const ofTwoBuilds = (kernels: string, operators: string): Refusal => ({
  reason: `${kernels} and ${operators} are of different builds of this package.`,
  advice: rebuild,
});

const cudaName = (version: number) => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
const capabilityName = (digits: string) => `${digits.slice(0, -1)}.${digits.slice(-1)}`;
const listed = (text: string) => text.split(' ').filter(Boolean);
const served = ({ architectures, ptx, runtime }: KernelFacts) =>
  `compute capabilities ${listed(architectures).map(capabilityName).join(', ')}` +
  `${ptx ? ` and, by PTX, from ${capabilityName(listed(ptx)[0]!)} on` : ''}; built with CUDA ${cudaName(runtime)}`;

/** Why kernels cannot serve a machine; undefined if they can. */
export function refusalOf(facts: KernelFacts): Refusal | undefined {
  const { driver, runtime, devices, problem } = facts;
  const major = Math.floor(runtime / 1000);
  if (driver === 0) return { reason: 'There is no NVIDIA driver.', advice: 'Install one to use a GPU.' };
  if (Math.floor(driver / 1000) < major) {
    const least = leastDriver[major];
    return {
      reason: `The driver is too old for them: it supports CUDA ${cudaName(driver)}, and they were built with CUDA ${cudaName(runtime)}.`,
      advice: least ? `Install NVIDIA driver ${least} or newer.` : 'Install a newer NVIDIA driver.',
    };
  }
  if (problem !== undefined)
    return {
      reason: `The driver does not list its devices: ${problem}.`,
      advice: 'Check them with nvidia-smi.',
    };
  const missing = devices.flatMap(({ major, minor }, index) =>
    serves(facts, major, minor) ? [] : [`cuda:${index} (compute capability ${major}.${minor})`],
  );
  if (missing.length === 0) return undefined;
  const others = missing.length < devices.length;
  return {
    reason: `They have no code for ${missing.join(', ')}: they serve ${served(facts)}.`,
    advice: others
      ? 'Leave such devices out with CUDA_VISIBLE_DEVICES, and the kernels serve the others.'
      : 'Build the package from source with CUDAARCHS set to that capability, such as 75 (docs/install.md).',
  };
}

/** Machine code serves later devices of its generation; PTX all later ones, if the driver is not older than the compiler. */
function serves({ architectures, ptx, driver, runtime }: KernelFacts, major: number, minor: number): boolean {
  const capability = 10 * major + minor;
  const byMachineCode = listed(architectures)
    .map(Number)
    .some((each) => Math.floor(each / 10) === major && each <= capability);
  const byPtx = driver >= runtime && listed(ptx).some((each) => Number(each) <= capability);
  return byMachineCode || byPtx;
}

/** The warning, where libtorch's operators serve instead of the kernels. */
export function kernelWarning({ reason, advice }: Refusal): string {
  return (
    `The CUDA kernels of this package are not used. ${reason} libtorch's own operators serve instead, and a pass takes up to ` +
    `twice the time. ${advice}`
  );
}
