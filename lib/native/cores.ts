/** How many processors there are for this process. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { controlGroupFolders, readTextOrNone, type ReadText } from './control-group.js';

/**
 * Processors that the process may use at a time: those of its affinity mask (taskset, cpuset), or its control groups' quota
 * of processor time (a container's `--cpus`) where that is less, rounded up. At least 1.
 */
export function usableCores(read: ReadText = readTextOrNone, affinity = availableParallelism()): number {
  const quotas = controlGroupFolders('cpu', read).map((folder) => quotaOf(folder, read));
  return Math.max(1, Math.ceil(Math.min(affinity, ...quotas)));
}

/** Processors by a group's quota: Infinity where it has none. */
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
