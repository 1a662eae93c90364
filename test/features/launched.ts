/** `features --shard auto` under the variables of each launcher. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { initModel } from '../../lib/model/init-model.js';
import { spawnCommand } from '../helpers/command-line.js';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
await initModel({ arch: 'tiny', seed: 1, out: at('seg.pt') });
const paths = await writePictures(at('photos'), 7);
writeFileSync(paths[2]!, 'no image');
const settings = ['--model', at('seg.pt'), '--image-size', '64', '--pass-size', '2', '--device', 'cpu'];
const features = (output: string, more: string[], env: Record<string, string> = {}) =>
  spawnCommand(['features', at('photos'), '--output', at(output), ...settings, ...more], env);

const whole = await features('whole.csv', []);
t.equal(whole.code, 0, whole.stderr);
const expected = readFileSync(at('whole.csv'), 'utf8');

const launchers: Record<string, (rank: string) => Record<string, string>> = {
  torchrun: (RANK) => ({ RANK, WORLD_SIZE: '2', LOCAL_RANK: RANK, OMP_NUM_THREADS: '1' }),
  mpirun: (rank) => ({
    OMPI_COMM_WORLD_RANK: rank,
    OMPI_COMM_WORLD_SIZE: '2',
    OMPI_COMM_WORLD_LOCAL_RANK: rank,
  }),
  srun: (SLURM_PROCID) => ({
    ...{ SLURM_PROCID, SLURM_NTASKS: '2', SLURM_STEP_NUM_TASKS: '2' },
    ...{ SLURM_STEP_ID: '0', SLURM_LOCALID: SLURM_PROCID },
  }),
  'a job array': (SLURM_ARRAY_TASK_ID) => ({
    ...{ SLURM_PROCID: '0', SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT: '2' },
    ...{ SLURM_ARRAY_TASK_MIN: '0', SLURM_ARRAY_TASK_MAX: '1', SLURM_ARRAY_TASK_STEP: '1' },
  }),
  Kubernetes: (JOB_COMPLETION_INDEX) => ({ JOB_COMPLETION_INDEX, JOB_COMPLETIONS: '2' }),
};

for (const [name, variables] of Object.entries(launchers))
  t.test(
    `${name}: all processes have one command, and merge makes one run's table of their parts`,
    async (t) => {
      const table = name.replaceAll(' ', '-');
      const parts = [1, 2].map((index) => at(`${table}-0000${index}-of-00002.csv`));
      const part = (rank: number) => features(`${table}.csv`, ['--shard', 'auto'], variables(String(rank)));
      const merge = () =>
        spawnCommand(['merge', '--output', at(`${table}.csv`), ...parts.filter(existsSync)], {});
      const first = await part(0);
      t.equal(first.code, 0, first.stderr);
      t.match(first.stderr, /^Part 1 of 2, by /m);
      t.match(first.stderr, `dinov3-seg merge --output ${at(table)}.csv ${at(table)}-*-of-00002.csv`);
      const early = await merge();
      t.equal(early.code, 1);
      t.match(early.stderr, /^TABLE: Missing shards: 2\/2\. Run the command of each of them again/m);
      t.notOk(existsSync(at(`${table}.csv`)));
      const second = await part(1);
      t.equal(second.code, 0, second.stderr);
      const merged = await merge();
      t.equal(merged.code, 0, merged.stderr);
      t.equal(readFileSync(at(`${table}.csv`), 'utf8'), expected);
    },
  );

t.test('parts of another number of processes, or with other settings, are refused', async (t) => {
  const [first, second] = [at('srun-00001-of-00002.csv'), at('srun-00002-of-00002.csv')];
  const third = launchers['Kubernetes']!('2');
  await features('srun.csv', ['--shard', 'auto'], { ...third, JOB_COMPLETIONS: '3' });
  await features('soft.csv', ['--shard', 'auto', '--soft'], launchers['srun']!('1'));
  const merge = (...parts: string[]) => spawnCommand(['merge', '--output', at('mixed.csv'), ...parts], {});
  t.match(
    (await merge(first, at('srun-00003-of-00003.csv'))).stderr,
    /different runs:\n {2}shard\.count: 2 → 3/,
  );
  t.match(
    (await merge(first, at('soft-00002-of-00002.csv'))).stderr,
    /different runs:\n {2}settings\..*soft/,
  );
  t.notOk(existsSync(at('mixed.csv')));
  t.equal((await merge(first, second)).code, 0);
});

t.test('without a launcher, --shard auto is an error, before a network is loaded', async (t) => {
  const { code, stderr } = await features('none.csv', ['--shard', 'auto']);
  t.equal(code, 2);
  t.match(stderr, /^INVALID_ARGUMENT: A shard "auto" needs a launcher, and none was found/m);
  t.notOk(existsSync(at('none.csv')));
});
