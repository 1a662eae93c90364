/** The hardware and versions that a job ran on, for its report. */
import { arch, cpus, release, totalmem, type as system } from 'node:os';
import { packageVersion } from '../package-version.js';
import { usableCores } from './cores.js';
import { cudaVersion } from './doctor/driver.js';
import { gib } from './doctor/finding.js';
import { engine, loadedLibtorch } from './engine.js';

/**
 * Names and values: device, processor, memory and software versions. Host and user names are left out, because
 * reports are passed on.
 *
 * @param device such as `cpu` or `cuda:0`; undefined if the engine was not used.
 */
export function hardwareRows(device: string | undefined): [name: string, value: string][] {
  return [
    ...(device === undefined ? [] : deviceRows(device)),
    ['Processor', `${cpus()[0]?.model.trim() || arch()}, ${usableCores()} usable cores`],
    ['Memory', gib(totalmem())],
    ['System', `${system()} ${release()} (${arch()})`],
    ['Node.js', process.version],
    ['dinov3-seg', packageVersion()],
  ];
}

function deviceRows(device: string): [name: string, value: string][] {
  const found = engine()
    .devices()
    .find(({ name }) => name === device);
  const libtorch = loadedLibtorch();
  const build = libtorch.cuda ? `CUDA ${cudaVersion(libtorch) ?? ''}`.trimEnd() : 'CPU';
  const rows: [string, string][] = [['Device', device]];
  if (found && device !== 'cpu')
    rows.push(['Graphics card', `${found.description}, ${gib(found.totalBytes)}`]);
  return [...rows, ['libtorch', `${libtorch.version} (${build} build)`]];
}
