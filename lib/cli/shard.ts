/** `--shard`: the part of a job that a process does. */
import { launchedProcess } from '../launcher.js';
import { deviceOfRank } from '../model/device.js';
import { parseShard, type Shard } from '../shard.js';
import { note } from './output.js';
import type { Flags } from './parse.js';

/** The flag, where `joined` says what joins the parts. */
export const shardFlag = (joined: string) =>
  ({
    shard: {
      type: 'text',
      value: 'I/N|auto',
      help: `make only part I of N; ${joined} joins the parts. auto: the part of this process, as torchrun, mpirun, Slurm or Kubernetes started it (docs/clusters.md)`,
    },
  }) as const satisfies Flags;

/** What `--shard` and `--device` make of a process. */
export interface Part {
  shard: Shard | undefined;
  device: string | undefined;
  /** Whether the launcher chose the part, so that all processes have the same command. */
  isLaunched: boolean;
}

/** @throws DinoSegError INVALID_ARGUMENT; DEVICE where more processes than GPUs are on this machine */
export function partOf(shard: string | undefined, device: string | undefined): Part {
  if (shard !== 'auto')
    return { shard: shard === undefined ? undefined : parseShard(shard), device, isLaunched: false };
  const { source, shard: own, localRank } = launchedProcess();
  const chosen = deviceOfRank(device, localRank);
  const { index, count } = own;
  note(`Part ${index} of ${count}, by ${source}${chosen === device ? '' : `, on ${chosen}`}.`);
  return { shard: own, device: chosen, isLaunched: true };
}
