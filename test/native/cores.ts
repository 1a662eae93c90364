import { availableParallelism } from 'node:os';
import t from 'tap';
import { controlGroupFolders } from '../../lib/native/control-group.js';
import { usableCores } from '../../lib/native/cores.js';

const version2 = (point = '/sys/fs/cgroup', root = '/') =>
  `30 23 0:26 ${root} ${point} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n`;
const version1 = (controllers: string, root = '/') =>
  `31 30 0:28 ${root} /sys/fs/cgroup/${controllers} rw,relatime - cgroup cgroup rw,${controllers}\n`;
const disk = '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n';

const reader = (files: Record<string, string>) => (path: string) => files[path] ?? '';
const ofVersion2 = (group: string, quotas: Record<string, string>) =>
  reader({
    '/proc/self/cgroup': `0::${group}\n`,
    '/proc/self/mountinfo': disk + version2(),
    ...Object.fromEntries(
      Object.entries(quotas).map(([folder, text]) => [`/sys/fs/cgroup${folder}/cpu.max`, `${text}\n`]),
    ),
  });

const cases: [title: string, read: (path: string) => string, cores: number][] = [
  ['no control groups: the affinity mask', reader({}), 8],
  ['a group of version 2 without a quota', ofVersion2('/a', { '/a': 'max 100000' }), 8],
  ['a quota of two processors', ofVersion2('/a', { '/a': '200000 100000' }), 2],
  ['one and a half round up', ofVersion2('/a', { '/a': '150000 100000' }), 2],
  ['half a processor is one', ofVersion2('/a', { '/a': '5000 10000' }), 1],
  ['a quota above the affinity mask', ofVersion2('/a', { '/a': '6400000 100000' }), 8],
  [
    'a quota of a group further up',
    ofVersion2('/a/b/c', { '/a': '300000 100000', '/a/b/c': 'max 100000' }),
    3,
  ],
  ['the least of several', ofVersion2('/a/b', { '/a': '300000 100000', '/a/b': '400000 100000' }), 3],
  ['a container with a name space of its own', ofVersion2('/', { '': '200000 100000' }), 2],
  [
    "a container that mounts its own group, by the host's path",
    reader({
      '/proc/self/cgroup': '0::/docker/1f\n',
      '/proc/self/mountinfo': disk + version2('/sys/fs/cgroup', '/docker/1f'),
      '/sys/fs/cgroup/cpu.max': '200000 100000\n',
    }),
    2,
  ],
  [
    'a mount point with a blank',
    reader({
      '/proc/self/cgroup': '0::/\n',
      '/proc/self/mountinfo': version2('/my\\040groups'),
      '/my groups/cpu.max': '100000 100000\n',
    }),
    1,
  ],
  [
    'version 1 with its controllers together',
    reader({
      '/proc/self/cgroup': '5:cpu,cpuacct:/docker/1f\n0::/\n',
      '/proc/self/mountinfo':
        disk + version1('cpu,cpuacct', '/docker/1f') + version2('/sys/fs/cgroup/unified'),
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '300000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    }),
    3,
  ],
  [
    'version 1 without a quota, one of another controller beside it',
    reader({
      '/proc/self/cgroup': '5:cpu:/a\n4:cpuset:/b\n',
      '/proc/self/mountinfo': version1('cpu') + version1('cpuset'),
      '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/cpuset/b/cpu.cfs_quota_us': '100000\n',
      '/sys/fs/cgroup/cpuset/b/cpu.cfs_period_us': '100000\n',
    }),
    8,
  ],
];

t.test('the usable cores are those of the affinity mask within the quotas of control groups', async (t) => {
  for (const [title, read, cores] of cases) t.equal(usableCores(read, 8), cores, title);
});

t.test('a group and those above it are looked at, and nothing outside of the mount', async (t) => {
  const files = { '/proc/self/cgroup': '0::/../a/b\n', '/proc/self/mountinfo': version2() };
  t.same(controlGroupFolders('cpu', reader(files)), [
    '/sys/fs/cgroup/a/b',
    '/sys/fs/cgroup/a',
    '/sys/fs/cgroup',
  ]);
});

t.test('of this process: no more than its affinity mask', async (t) => {
  const cores = usableCores();
  t.ok(Number.isInteger(cores) && cores >= 1 && cores <= availableParallelism(), String(cores));
});

t.test('the files are those of the machine', async (t) => {
  const mocked = await t.mockImport<{ usableCores: typeof usableCores }>('../../lib/native/cores.js', {
    '../../lib/native/control-group.js': {
      controlGroupFolders,
      readTextOrNone: ofVersion2('/a', { '/a': '300000 100000' }),
    },
  });
  t.equal(mocked.usableCores(undefined, 8), 3);
});
