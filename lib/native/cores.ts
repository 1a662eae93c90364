/** How many processors this process may use. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { controlGroupFolders, readTextOrNone, type ReadText } from './control-group.js';

/**
 * Number of processors that the process may use at a time: those of its CPU affinity mask (taskset, cpuset), or the
 * CPU quota of its control groups (a container's `--cpus`), rounded up, if that is smaller. At least 1.
 */
export function usableCores(read: ReadText = readTextOrNone, affinity = availableParallelism()): number {
  const quotas = controlGroupFolders('cpu', read).map((folder) => quotaOf(folder, read));
  return Math.max(1, Math.ceil(Math.min(affinity, ...quotas)));
}

/** Number of processors that a group's quota allows; Infinity without a quota. */
function quotaOf(folder: string, read: ReadText): number {
  const ofVersion2 = read(join(folder, 'cpu.max'));
  const [quota, period] = (
    ofVersion2 === ''
      ? [read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us'))]
      : ofVersion2.split(' ')
  ).map(Number);
  // `max` in version 2, -1 in version 1: no quota.
  return quota! > 0 && period! > 0 ? quota! / period! : Infinity;
}
