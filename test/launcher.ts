/** The part of a process by its launcher's variables; the values are those that the launchers set (docs/clusters.md). */
import t from 'tap';
import { launchedProcess } from '../lib/launcher.js';
import { deviceOfRank } from '../lib/model/device.js';
import { itemsOf, shardPath, shardPattern } from '../lib/shard.js';

type Variables = Record<string, string | number>;

const asText = (variables: Variables) =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, String(value)]));
const placeOf = (variables: Variables) => launchedProcess(asText(variables));

/** Of task `id` of `sbatch --array`. */
const array = (id: number, [first, last, step, count]: readonly number[]): Variables => ({
  SLURM_ARRAY_TASK_ID: id,
  SLURM_ARRAY_TASK_MIN: first!,
  SLURM_ARRAY_TASK_MAX: last!,
  SLURM_ARRAY_TASK_STEP: step!,
  SLURM_ARRAY_TASK_COUNT: count!,
});

/** Of a process that srun started. */
const step = (rank: number, size: number): Variables => ({
  SLURM_PROCID: rank,
  SLURM_LOCALID: rank,
  SLURM_NTASKS: size,
  SLURM_STEP_NUM_TASKS: size,
  SLURM_STEP_ID: 0,
});

/** Of a batch script itself. */
const script = (tasks: number): Variables => ({ SLURM_PROCID: 0, SLURM_LOCALID: 0, SLURM_NTASKS: tasks });

const torchrun = { RANK: 5, WORLD_SIZE: 8, LOCAL_RANK: 1, GROUP_RANK: 1, LOCAL_WORLD_SIZE: 4 };
const mpirun = { OMPI_COMM_WORLD_RANK: 2, OMPI_COMM_WORLD_SIZE: 3, OMPI_COMM_WORLD_LOCAL_RANK: 2 };

t.test('each launcher gives its processes their parts', (t) => {
  const cases: [string, Variables, string, number | null, string][] = [
    ['torchrun', torchrun, '6/8', 1, 'torchrun (RANK 5, WORLD_SIZE 8)'],
    ['mpirun', mpirun, '3/3', 2, 'Open MPI (OMPI_COMM_WORLD_RANK 2, OMPI_COMM_WORLD_SIZE 3)'],
    ['srun', step(2, 3), '3/3', 2, 'Slurm (SLURM_PROCID 2, SLURM_STEP_NUM_TASKS 3)'],
    [
      'a step of fewer tasks than its job',
      { ...step(0, 1), SLURM_NTASKS: 4 },
      '1/1',
      0,
      'Slurm (SLURM_PROCID 0, SLURM_STEP_NUM_TASKS 1)',
    ],
    [
      'a job array',
      { SLURM_PROCID: 0, SLURM_LOCALID: 0, ...array(1, [0, 3, 1, 4]) },
      '2/4',
      null,
      'Slurm (SLURM_ARRAY_TASK_ID 1, SLURM_ARRAY_TASK_COUNT 4)',
    ],
    ['an array from 1', array(4, [1, 4, 1, 4]), '4/4', null, ''],
    ['an array in steps', array(4, [0, 6, 2, 4]), '3/4', null, ''],
    ['an array of one', array(0, [0, 0, 1, 1]), '1/1', null, ''],
    ['an array with --ntasks=1', { ...script(1), ...array(2, [0, 3, 1, 4]) }, '3/4', 0, ''],
    ['srun in an array', { ...step(1, 2), ...array(1, [0, 1, 1, 2]) }, '4/4', 1, ''],
    [
      'Kubernetes',
      { JOB_COMPLETION_INDEX: 7, JOB_COMPLETIONS: 8 },
      '8/8',
      null,
      'Kubernetes (JOB_COMPLETION_INDEX 7, JOB_COMPLETIONS 8)',
    ],
    ['torchrun in a batch script', { ...script(3), ...torchrun }, '6/8', 1, ''],
    ['mpirun in a batch script', { ...script(3), ...mpirun }, '3/3', 2, ''],
  ];
  for (const [name, variables, expected, localRank, source] of cases) {
    const found = placeOf(variables);
    t.equal(`${found.shard.index}/${found.shard.count}`, expected, name);
    t.equal(found.localRank, localRank, name);
    if (source) t.equal(found.source, source, name);
  }
  t.end();
});

t.test('what gives no certain part is refused', (t) => {
  const cases: [Variables, RegExp][] = [
    [{}, /needs a launcher, and none was found: expected RANK and WORLD_SIZE \(torchrun\)/],
    [{ RANK: 1 }, /none was found/],
    [{ SLURM_PROCID: 0 }, /none was found/],
    [
      script(3),
      /has 3 tasks \(SLURM_NTASKS\), but a batch script runs once\. Start the command in it with srun/,
    ],
    [{ ...script(2), ...array(0, [0, 1, 1, 2]) }, /runs once/],
    [array(5, [2, 7, 1, 3]), /has 3 tasks from 2 to 7, not one after the other/],
    [array(1, [1, 1, 1, 1]), /starts at 1\. To repeat task 1/],
    [
      { JOB_COMPLETION_INDEX: 7 },
      /completion 7 \(JOB_COMPLETION_INDEX\), but not of how many\. Set JOB_COMPLETIONS/,
    ],
    [{ RANK: 8, WORLD_SIZE: 8 }, /below that of all processes: torchrun \(RANK 8, WORLD_SIZE 8\)/],
    [{ RANK: 'first', WORLD_SIZE: 8 }, /Expected a whole number in RANK, found "first"/],
    [{ RANK: 0, WORLD_SIZE: 0 }, /below that of all/],
    [{ SLURM_ARRAY_TASK_ID: 1 }, /Expected a whole number in SLURM_ARRAY_TASK_MIN, which is not set/],
  ];
  for (const [variables, message] of cases)
    t.throws(() => placeOf(variables), { code: 'INVALID_ARGUMENT', message }, JSON.stringify(variables));
  t.end();
});

t.test('processes on one machine have a GPU each, unless a scheduler assigned them', (t) => {
  const four = () => ['cpu', 'cuda:0', 'cuda:1', 'cuda:2', 'cuda:3'];
  const one = () => ['cpu', 'cuda:0'];
  const none = () => ['cpu'];
  t.equal(deviceOfRank('auto', 2, four), 'cuda:2');
  t.equal(deviceOfRank(undefined, 0, four), 'cuda:0');
  t.equal(deviceOfRank('cuda', 3, four), 'cuda:3');
  t.equal(deviceOfRank('cuda:1', 3, four), 'cuda:1', 'what was said stands');
  t.equal(deviceOfRank('cpu', 3, four), 'cpu');
  t.equal(deviceOfRank('auto', 2, one), 'auto', 'the only visible one is its own');
  t.equal(deviceOfRank('cuda', 2, none), 'cuda', 'is an error of the engine');
  t.equal(deviceOfRank('auto', null, four), 'auto');
  const message = /This is process 5 on this machine, but it has 4 CUDA devices/;
  t.throws(() => deviceOfRank('auto', 4, four), { code: 'DEVICE', message });
  t.end();
});

t.test('parts have paths in their order, and share items evenly', (t) => {
  t.equal(shardPath('a.b/t.csv', { index: 2, count: 12 }, '.csv'), 'a.b/t-00002-of-00012.csv');
  t.equal(shardPath('caches/v1.5', { index: 2, count: 12 }, ''), 'caches/v1.5-00002-of-00012');
  t.equal(shardPattern('t.parquet', 12, '.parquet'), 't-*-of-00012.parquet');
  for (const [items, count] of [
    [10, 3],
    [7, 7],
    [3, 5],
    [0, 2],
    [1000, 9],
  ] as const) {
    const all = Array.from({ length: items }, (_, i) => i);
    const parts = Array.from({ length: count }, (_, i) => itemsOf({ index: i + 1, count }, all));
    t.same(parts.flat(), all);
    const sizes = parts.map(({ length }) => length);
    t.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${items} in ${count}: ${sizes.join(', ')}`);
  }
  t.end();
});
