/** What this package finds on the machine, and what to do about what it does not find. */
import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { DinoSegError } from '../errors.js';
import { engine } from './engine.js';
import { findLibtorch, type Libtorch } from './libtorch.js';
import type { Engine } from './surface.js';

export interface Finding {
  name: string;
  /** `fault`: nothing works until it is mended; `note`: worth knowing. */
  status: 'ok' | 'note' | 'fault';
  detail: string;
  /** What to do. */
  advice?: string;
}

export interface DoctorReport {
  /** No fault was found. */
  ok: boolean;
  findings: Finding[];
}

const gibibyte = 1024 ** 3;
const gib = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`;

/** Checks versions, libtorch, addon, devices and memory; faults are findings, not errors. */
export async function doctor(): Promise<DoctorReport> {
  const findings: Finding[] = [packageFinding(), nodeFinding(), platformFinding(), memoryFinding()];
  const libtorch = attempt('libtorch', findings, () => findLibtorch());
  if (libtorch) {
    findings.push(libtorchFinding(libtorch));
    const loaded = attempt('addon', findings, () => engine());
    if (loaded)
      findings.push(...(attempt('devices', findings, () => engineFindings(loaded, libtorch)) ?? []));
  }
  return { ok: findings.every(({ status }) => status !== 'fault'), findings };
}

function attempt<T>(name: string, findings: Finding[], look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const detail = error instanceof DinoSegError ? `${error.code}: ${error.message}` : String(error);
    findings.push({ name, status: 'fault', detail });
    return undefined;
  }
}

function packageFinding(): Finding {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  return { name: 'package', status: 'ok', detail: `${name} ${version}` };
}

function nodeFinding(): Finding {
  const detail = `${process.version}, N-API ${process.versions.napi}`;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 9)) return { name: 'node', status: 'ok', detail };
  return { name: 'node', status: 'fault', detail, advice: 'Install Node.js 20.9 or newer.' };
}

function platformFinding(): Finding {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const glibc = report?.header?.glibcVersionRuntime;
  const detail = `${process.platform} ${process.arch}, glibc ${glibc ?? 'not found'}`;
  if (process.platform === 'linux' && glibc !== undefined) return { name: 'platform', status: 'ok', detail };
  const advice = 'Only Linux with glibc is supported in this release.';
  return { name: 'platform', status: 'fault', detail, advice };
}

function memoryFinding(): Finding {
  return { name: 'memory', status: 'ok', detail: `${gib(freemem())} free of ${gib(totalmem())}` };
}

function libtorchFinding({ version, root, cuda, source }: Libtorch): Finding {
  return {
    name: 'libtorch',
    status: 'ok',
    detail: `${version} (${cuda ? 'CUDA' : 'CPU'} build) in ${root}, found by: ${source}`,
  };
}

function engineFindings(loaded: Engine, libtorch: Libtorch): Finding[] {
  const { torch, cudaAvailable, threads } = loaded.info();
  const findings: Finding[] = [
    { name: 'addon', status: 'ok', detail: `loaded, on torch ${torch}, ${threads} threads an operator` },
    ...loaded.devices().map(({ name, description, freeBytes, totalBytes }): Finding => ({
      name: `device ${name}`,
      status: 'ok',
      detail: `${description}, ${gib(freeBytes)} free of ${gib(totalBytes)}`,
    })),
  ];
  if (!cudaAvailable)
    findings.push({
      name: 'CUDA',
      status: 'note',
      detail: libtorch.cuda ? 'no device answers' : 'this libtorch is a CPU build',
      advice: libtorch.cuda
        ? 'Check with nvidia-smi that a device and its driver are there.'
        : 'For an NVIDIA GPU, name a CUDA build of libtorch with DINOV3_SEG_LIBTORCH.',
    });
  return findings;
}
