/** What needs no libtorch: versions, memory, disk. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { freeMemory } from '../free-memory.js';
import { freeBytesAt } from '../libtorch/install/disk.js';
import { cacheFolder } from '../libtorch/find-libtorch.js';
import { gib, type Finding } from './finding.js';

export async function machineFindings(): Promise<Finding[]> {
  return [
    packageFinding(),
    nodeFinding(process.version, process.versions.napi),
    platformFinding(process.platform, process.arch, glibcVersion()),
    memoryFinding(freeMemory(), totalMemory()),
    diskFinding(cacheFolder(), await freeBytesAt(cacheFolder())),
  ];
}

/** glibc's version, such as `2.36`; undefined on systems with another C library. */
export function glibcVersion(): string | undefined {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime;
}

/** A container's limit, where it is less than the machine's memory. */
function totalMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function packageFinding(): Finding {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  return { name: 'package', status: 'ok', detail: `${name} ${version}` };
}

export function nodeFinding(version: string, napi = 'unknown'): Finding {
  const detail = `${version}, N-API ${napi}`;
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  // package.json's "engines": `require` of an ES module.
  const oldestMinor: Record<number, number> = { 20: 19, 22: 12 };
  const good = major > 22 || minor >= (oldestMinor[major] ?? Infinity);
  if (good) return { name: 'node', status: 'ok', detail };
  return { name: 'node', status: 'fault', detail, advice: 'Install Node.js 22.12 or newer (or 20.19).' };
}

export function platformFinding(platform: string, arch: string, glibc: string | undefined): Finding {
  const detail = `${platform} ${arch}, glibc ${glibc ?? 'not found'}`;
  if (platform === 'linux' && glibc !== undefined) return { name: 'platform', status: 'ok', detail };
  const advice = 'Only Linux with glibc is supported in this release.';
  return { name: 'platform', status: 'fault', detail, advice };
}

const gibibyte = 1024 ** 3;

/** libtorch alone takes 0.3 GiB; the 7B network takes 13 GiB in bfloat16. */
export function memoryFinding(freeBytes: number, totalBytes: number): Finding {
  const detail = `${gib(freeBytes)} free of ${gib(totalBytes)}`;
  if (freeBytes >= 2 * gibibyte) return { name: 'memory', status: 'ok', detail };
  const advice =
    'This is enough for small networks only. Close other programs, or give the container more memory.';
  return { name: 'memory', status: freeBytes < gibibyte / 2 ? 'fault' : 'note', detail, advice };
}

/** A CPU libtorch takes 0.5 GiB, a CUDA one with NVIDIA's libraries 5 GiB. */
export function diskFinding(folder: string, freeBytes: number): Finding {
  const detail = `${gib(freeBytes)} free for the cache ${folder}`;
  if (freeBytes >= 2 * gibibyte) return { name: 'disk', status: 'ok', detail };
  const advice =
    'Installing libtorch needs more. Free some space, or set XDG_CACHE_HOME to a folder on another disk.';
  return { name: 'disk', status: 'note', detail, advice };
}
