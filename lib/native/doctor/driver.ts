/** NVIDIA's driver, and whether it fits the CUDA of a libtorch. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { leastDriver } from '../cuda-kernels.js';
import type { Libtorch } from '../libtorch/find-libtorch.js';
import type { Finding } from './finding.js';

const nvidiaVendor = '0x10de';
const displayClass = '0x03';
const smiMilliseconds = 10_000;

export interface Graphics {
  /** Version of NVIDIA's driver; undefined if there is none. */
  driver?: string;
  /** Whether the PCI bus has an NVIDIA graphics processor. */
  hardware: boolean;
}

/** Asks nvidia-smi, or the kernel module's own file, and the PCI bus. */
export async function findGraphics(): Promise<Graphics> {
  const driver = (await driverBySmi()) ?? (await driverByModule());
  return { ...(driver !== undefined && { driver }), hardware: await hasHardware() };
}

async function driverBySmi(): Promise<string | undefined> {
  const question = ['--query-gpu=driver_version', '--format=csv,noheader'];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', question, { timeout: smiMilliseconds });
    return /^\d+(\.\d+)+/.exec(stdout.trim())?.[0];
  } catch {
    // Not installed, or no driver that it could ask.
    return undefined;
  }
}

async function driverByModule(): Promise<string | undefined> {
  const text = await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => '');
  return /Kernel Module.*?\s(\d+(?:\.\d+)+)\s/.exec(text)?.[1];
}

async function hasHardware(): Promise<boolean> {
  const bus = '/sys/bus/pci/devices';
  for (const device of await readdir(bus).catch(() => [])) {
    const read = (name: string) => readFile(join(bus, device, name), 'utf8').catch(() => '');
    if ((await read('vendor')).trim() === nvidiaVendor && (await read('class')).startsWith(displayClass))
      return true;
  }
  return false;
}

/** CUDA's version of a libtorch: `13.0` of the build `cu130`; undefined for a CPU build or if the files do not state it. */
export function cudaVersion({ cuda, build }: Pick<Libtorch, 'cuda' | 'build'>): string | undefined {
  const digits = cuda ? /^cu(\d+)(\d)$/.exec(build ?? '') : null;
  return digits ? `${digits[1]}.${digits[2]}` : undefined;
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < b!.length; i++) if (a![i] !== b![i]) return (a![i] ?? 0) < b![i]!;
  return false;
}

/**
 * Findings about CUDA.
 *
 * @param cudaDevices number of CUDA devices that respond; undefined if libtorch cannot be loaded
 */
export function cudaFindings(
  libtorch: Pick<Libtorch, 'cuda' | 'build'>,
  { driver, hardware }: Graphics,
  cudaDevices: number | undefined,
): Finding[] {
  const findings: Finding[] = [];
  if (driver !== undefined) findings.push({ name: 'driver', status: 'ok', detail: `NVIDIA ${driver}` });
  const name = 'CUDA';
  const version = cudaVersion(libtorch);
  if (!libtorch.cuda) {
    const detail = `this libtorch is a CPU build${driver || hardware ? ', although the machine has an NVIDIA GPU' : ''}`;
    const advice =
      'To use an NVIDIA GPU, install a CUDA build of libtorch, or set DINOV3_SEG_LIBTORCH to one.';
    return [...findings, { name, status: 'note', detail, advice }];
  }
  const built = `this libtorch is built for CUDA ${version ?? '(version unknown)'}`;
  const least = leastDriver[version?.split('.')[0] ?? ''];
  if (driver !== undefined && least !== undefined && isOlder(driver, least)) {
    const detail = `${built}, which needs driver ${least} or newer; driver ${driver} is too old`;
    const advice = `Install NVIDIA driver ${least} or newer, or a libtorch for an older CUDA or for the CPU.`;
    return [...findings, { name, status: 'fault', detail, advice }];
  }
  if (cudaDevices !== 0) return [...findings, { name, status: 'ok', detail: built }];
  if (driver === undefined && !hardware) {
    const detail = `${built}, but this machine has no NVIDIA GPU: the CPU is used`;
    return [
      ...findings,
      { name, status: 'note', detail, advice: 'A CPU build of libtorch is much smaller.' },
    ];
  }
  const detail = driver
    ? `${built} and driver ${driver} is installed, but no CUDA device responds`
    : `${built} and the machine has an NVIDIA GPU, but no driver is installed`;
  const advice =
    'Check the driver and the devices with nvidia-smi. A container needs access to them (--gpus all), and ' +
    'CUDA_VISIBLE_DEVICES can hide them.';
  return [...findings, { name, status: 'fault', detail, advice }];
}
