/** The hardware and versions that a job ran on, for its report. */
import { arch, cpus, release, totalmem, type as system } from 'node:os';
import { packageVersion } from '../package-version.js';
import { usableCores } from './cores.js';
import { cudaVersion } from './doctor/driver.js';
import { gib } from './doctor/finding.js';
import { engine, loadedLibtorch } from './engine.js';

/**
 * Names and values: devices, processor, memory and software versions. Host and user names are left out, because
 * reports are passed on.
 *
 * @param devices such as `cpu` or `cuda:0`; none if the engine was not used.
 */
export function hardwareRows(devices: readonly string[]): [name: string, value: string][] {
  return [
    ...(devices.length === 0 ? [] : deviceRows(devices)),
    ['Processor', `${cpus()[0]?.model.trim() || arch()}, ${usableCores()} usable cores`],
    ['Memory', gib(totalmem())],
    ['System', `${system()} ${release()} (${arch()})`],
    ['Node.js', process.version],
    ['dinov3-seg', packageVersion()],
  ];
}

function deviceRows(devices: readonly string[]): [name: string, value: string][] {
  const cards = engine()
    .devices()
    .filter(({ name }) => name !== 'cpu' && devices.includes(name))
    .map(({ description, totalBytes }) => `${description}, ${gib(totalBytes)}`);
  const libtorch = loadedLibtorch();
  const build = libtorch.cuda ? `CUDA ${cudaVersion(libtorch) ?? ''}`.trimEnd() : 'CPU';
  const rows: [string, string][] = [[devices.length > 1 ? 'Devices' : 'Device', devices.join(', ')]];
  for (const card of new Set(cards)) {
    const count = cards.filter((other) => other === card).length;
    rows.push(['Graphics card', count > 1 ? `${count} × ${card}` : card]);
  }
  return [...rows, ['libtorch', `${libtorch.version} (${build} build)`]];
}
