/** The part of a job that falls to this process, by what the launcher that started it put into the environment. */
import { checkArgument, kind } from './arguments.js';
import { DinoSegError } from './errors.js';
import { isObject } from './json.js';
import type { Shard } from './shard.js';

type Environment = Readonly<Record<string, string | undefined>>;

const environmentKind = kind<Environment>('an object of environment variables', isObject);

/** A process among those that a launcher started. */
export interface LaunchedProcess {
  /** The launcher and the variables that were read, such as `torchrun (RANK 2, WORLD_SIZE 8)`. */
  source: string;
  /** The part of this process. */
  shard: Shard;
  /** Number of the process on its machine, from 0; null if the launcher does not say. */
  localRank: number | null;
}

/** Where a launcher puts the number of a process (from 0), the number of all, and its number on the machine. */
interface Launcher {
  name: string;
  rank: string;
  size: string;
  localRank: string;
}

/** The innermost first: torchrun and mpirun are also started by Slurm. */
const torchrun: Launcher = { name: 'torchrun', rank: 'RANK', size: 'WORLD_SIZE', localRank: 'LOCAL_RANK' };
const openMpi: Launcher = {
  name: 'Open MPI',
  rank: 'OMPI_COMM_WORLD_RANK',
  size: 'OMPI_COMM_WORLD_SIZE',
  localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
};

/**
 * Reads the environment of torchrun, Open MPI's mpirun, Slurm's srun and job arrays, or an indexed Job of Kubernetes.
 *
 * @param env environment variables. Default: those of this process.
 * @throws DinoSegError INVALID_ARGUMENT where none of them is found, or what they say is contradictory.
 */
export function launchedProcess(
  env: Readonly<Record<string, string | undefined>> = process.env,
): LaunchedProcess {
  checkArgument(env, environmentKind, 'launchedProcess(env)');
  const found = ofRanks(env, torchrun) ?? ofRanks(env, openMpi) ?? ofSlurm(env) ?? ofKubernetes(env);
  if (found) return found;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    'A shard "auto" needs a launcher, and none was found: expected RANK and WORLD_SIZE (torchrun), OMPI_COMM_WORLD_RANK and ' +
      '_SIZE (mpirun), SLURM_PROCID and SLURM_NTASKS (srun), SLURM_ARRAY_TASK_ID (sbatch --array) or JOB_COMPLETION_INDEX ' +
      'and JOB_COMPLETIONS (Kubernetes) in the environment. Start the command with one of these, or give --shard I/N.',
  );
}

function ofRanks(env: Environment, { name, rank, size, localRank }: Launcher): LaunchedProcess | undefined {
  if (!env[rank] || !env[size]) return undefined;
  return placed(env, name, [rank, size], {
    rank: wholeNumber(env, rank),
    size: wholeNumber(env, size),
    localRank: localRankOf(env, localRank),
  });
}

/** Tasks of a step, of a job array, or both: the tasks of the first job of an array come first. */
function ofSlurm(env: Environment): LaunchedProcess | undefined {
  const array = ofArray(env);
  const step = ofStep(env);
  if (!array && !step) return undefined;
  const { rank: job, size: jobs, variables: jobVariables } = array ?? { rank: 0, size: 1, variables: [] };
  const { rank: task, size: tasks, variables, localRank } = step ?? noStep;
  const place = { rank: job * tasks + task, size: jobs * tasks, localRank };
  return placed(env, 'Slurm', [...jobVariables, ...variables], place);
}

const noStep = { rank: 0, size: 1, variables: [] as string[], localRank: null };

function ofStep(env: Environment) {
  if (!env['SLURM_PROCID'] || !env['SLURM_NTASKS']) return undefined;
  // A step may have fewer tasks than its job.
  const sizeName = env['SLURM_STEP_NUM_TASKS'] ? 'SLURM_STEP_NUM_TASKS' : 'SLURM_NTASKS';
  const size = wholeNumber(env, sizeName);
  if (!env['SLURM_STEP_ID'] && size > 1)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The job has ${size} tasks (${sizeName}), but a batch script runs once. Start the command in it with srun.`,
    );
  return {
    rank: wholeNumber(env, 'SLURM_PROCID'),
    size,
    variables: ['SLURM_PROCID', sizeName],
    localRank: localRankOf(env, 'SLURM_LOCALID'),
  };
}

function ofArray(env: Environment) {
  if (!env['SLURM_ARRAY_TASK_ID']) return undefined;
  const [id, first, last, step, size] = (['ID', 'MIN', 'MAX', 'STEP', 'COUNT'] as const).map((name) =>
    wholeNumber(env, `SLURM_ARRAY_TASK_${name}`),
  ) as [number, number, number, number, number];
  const rank = (id - first) / step;
  // One task of an earlier array, submitted again by its number, would take the whole for its part.
  if (size === 1 && id > 0)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The job array has a single task, and starts at ${id}. To repeat task ${id} of a larger array, requeue it ` +
        '(scontrol requeue), or give --shard I/N.',
    );
  if (!Number.isInteger(rank) || (last - first) / step + 1 !== size)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The job array has ${size} tasks from ${first} to ${last}, not one after the other. Submit all of it, such as ` +
        '--array=0-7, or requeue a single task (scontrol requeue); or give --shard I/N.',
    );
  return { rank, size, variables: ['SLURM_ARRAY_TASK_ID', 'SLURM_ARRAY_TASK_COUNT'] };
}

function ofKubernetes(env: Environment): LaunchedProcess | undefined {
  const [rank, size] = ['JOB_COMPLETION_INDEX', 'JOB_COMPLETIONS'] as const;
  if (!env[rank]) return undefined;
  if (!env[size])
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `Kubernetes says that this is completion ${env[rank]} (${rank}), but not of how many. Set ${size} in the ` +
        "manifest to the Job's completions (docs/clusters.md).",
    );
  const place = { rank: wholeNumber(env, rank), size: wholeNumber(env, size), localRank: null };
  return placed(env, 'Kubernetes', [rank, size], place);
}

function placed(
  env: Environment,
  launcher: string,
  variables: readonly string[],
  { rank, size, localRank }: { rank: number; size: number; localRank: number | null },
): LaunchedProcess {
  const source = `${launcher} (${variables.map((name) => `${name} ${env[name]}`).join(', ')})`;
  if (rank >= size)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `Expected a number below that of all processes: ${source}. Numbers begin at 0.`,
    );
  return { source, shard: { index: rank + 1, count: size }, localRank };
}

function localRankOf(env: Environment, name: string): number | null {
  return env[name] ? wholeNumber(env, name) : null;
}

function wholeNumber(env: Environment, name: string): number {
  const text = env[name] ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `Expected a whole number in ${name}, ${text ? `found "${text}"` : 'which is not set'}.`,
  );
}
