import t from 'tap';
import { freeMemory } from '../../lib/native/free-memory.js';

const version2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const version1 = '31 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n';
const group = (folder: string, texts: Record<string, string>) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${folder}/${name}`, `${text}\n`]));
const reader = (files: Record<string, string>) => (path: string) => files[path] ?? '';

t.test('free memory is what the host has, within the limits of control groups', async (t) => {
  t.equal(freeMemory(reader({}), 4000), 4000, 'no control groups');
  const own = { '/proc/self/cgroup': '0::/a/b\n', '/proc/self/mountinfo': version2 };
  const inner = { 'memory.max': 'max', 'memory.current': '700', 'memory.stat': 'anon 600\nactive_file 100' };
  const none = group('/sys/fs/cgroup/a/b', inner);
  t.equal(freeMemory(reader({ ...own, ...none }), 4000), 4000, 'a group without a limit');
  const outer = group('/sys/fs/cgroup/a', {
    'memory.max': '1000',
    'memory.current': '900',
    'memory.stat': 'anon 500\ninactive_file 300\nactive_file 50\nslab 10',
  });
  t.equal(
    freeMemory(reader({ ...own, ...none, ...outer }), 4000),
    450,
    'a limit further up, cached files being free',
  );
  t.equal(freeMemory(reader({ ...own, ...none, ...outer }), 200), 200, 'a host that has less');
  const over = group('/sys/fs/cgroup/a', { 'memory.max': '1000', 'memory.current': '1001' });
  t.equal(freeMemory(reader({ ...own, ...over }), 4000), 0, 'a limit that is reached');
});

t.test('version 1 counts the groups below, too, and has a very large number for no limit', async (t) => {
  const own = { '/proc/self/cgroup': '4:memory:/\n', '/proc/self/mountinfo': version1 };
  const limited = group('/sys/fs/cgroup/memory', {
    'memory.limit_in_bytes': '1000',
    'memory.usage_in_bytes': '900',
    'memory.stat': 'active_file 1\ninactive_file 2\ntotal_active_file 100\ntotal_inactive_file 200',
  });
  t.equal(freeMemory(reader({ ...own, ...limited }), 4000), 400);
  const open = { ...limited, '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' };
  t.equal(freeMemory(reader({ ...own, ...open }), 4000), 4000);
});
