/** A disk that has no room for a cache: what was written stays usable. */
import { readdirSync, statSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { checkCache } from '../../lib/cache/manage.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { startProgram, type Ended } from '../helpers/command-line.js';
import { cacheSource, fill } from '../helpers/tiny-cache.js';
import { asFlags, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = { ...(await tinySettings(root, { train: 4, val: 2 })), mode: 'cached' as const };
const entry = join(import.meta.dirname, '../../dist/cli/main.js');

/** Runs `dinov3-seg` with a limit for the size of every file, which stands for a disk that is full. */
async function runLimited(kibibytes: number, args: string[]): Promise<Ended> {
  const limited = `trap '' XFSZ; unset NODE_OPTIONS; ulimit -f ${kibibytes}; exec "$0" "$@"`;
  return startProgram('bash', ['-c', limited, process.execPath, entry, ...args]).ended;
}

t.test('a full disk ends the pass with DISK_FULL; a later one makes only the rest', async (t) => {
  const cache = join(root, 'cache');
  const out = join(root, 'run');
  // Records are of 66.5 KiB.
  const { code, stderr } = await runLimited(300, ['train', ...asFlags({ ...settings, cache, out })]);
  t.equal(code, 1);
  t.match(stderr, /DISK_FULL: cannot write .*records-00000\.bin: no room for 68096 bytes of records/);
  t.match(stderr, /Earlier records stay usable: free some space and run it again/);
  t.notOk(readdirSync(root).includes('run'), 'no run was begun');
  t.same(await checkCache(cache), { records: 4, damage: [] }, 'what was written is whole');
  t.equal(statSync(join(cache, 'records-00000.bin')).size, 64 + 4 * 68096, 'nothing half-written is left');
  const { kept, made } = await makeCache({ ...settings, cache });
  t.same({ kept, made }, { kept: 4, made: 6 });
  t.same(await checkCache(cache), { records: 10, damage: [] });
});

t.test(
  'a pass whose forecast has no room is refused before its end, and goes on where there is',
  async (t) => {
    const cache = join(root, 'forecast');
    const source = await cacheSource(settings);
    const roomFor = (records: number) => async () => ({ bavail: records, bsize: 68096 });
    // An image a second, so that the first five tell.
    let now = 0;
    t.intercept(performance, 'now', { value: () => now });
    const onProgress = () => (now += 1000);
    t.teardown(syncBuiltinESMExports);
    const tell = (statfs: () => Promise<object>) => {
      t.intercept(fs, 'statfs', { value: statfs });
      syncBuiltinESMExports();
    };
    tell(roomFor(4));
    const refused = fill(cache, source, { onProgress, prefetch: 1 });
    await t.rejects(refused, {
      code: 'DISK_FULL',
      message:
        /needs another 33\d\.\d KiB; only 266\.0 KiB is free\. Free some space, choose another folder with --cache, or/,
    });
    t.same(await checkCache(cache), { records: 5, damage: [] });
    tell(roomFor(6));
    const { kept, made } = await fill(cache, source, { onProgress });
    t.same({ kept, made }, { kept: 5, made: 5 });
  },
);
