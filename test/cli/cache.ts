/** `dinov3-seg cache`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../helpers/command-line.js';
import { asFlags, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const { model, data } = await tinySettings(root, { train: 3, val: 1 });
const flags = asFlags({ model, data, imageSize: 64, device: 'cpu' });
const cache = join(root, 'caches/first');

t.test('make fills a cache; once more it finds everything there', async (t) => {
  const first = await runCommand(['cache', 'make', cache, ...flags, '--json']);
  t.equal(first.code, 0, first.stderr);
  const made = JSON.parse(first.stdout) as Record<string, unknown>;
  t.match(made, { path: cache, kept: 0, made: 7, damage: [], bytes: 7 * 68096 });
  t.match(made['forecast'], { records: 7 });
  const again = await runCommand(['cache', 'make', cache, ...flags]);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stdout, /^kept: 7\nmade: 0\n/m);
  t.match(again.stderr, /7 records found/);
});

t.test('make --out fills the cache that train uses, beside the run', async (t) => {
  const out = join(root, 'runs/run');
  const made = await runCommand(['cache', 'make', '--out', out, ...flags, '--json']);
  t.equal(made.code, 0, made.stderr);
  const { path } = JSON.parse(made.stdout) as { path: string };
  t.match(path, join(root, 'runs/cache/'));
  t.notOk(existsSync(out));
  const trained = await runCommand(['train', '--out', out, ...flags, '--epochs', '1']);
  t.equal(trained.code, 0, trained.stderr);
  t.match(trained.stderr, `cache ${path}: 7 records found\n`);
});

t.test('list shows caches and their settings', async (t) => {
  const { code, stdout } = await runCommand(['cache', 'list', join(root, 'caches'), '--json']);
  t.equal(code, 0);
  const [found, ...others] = JSON.parse(stdout) as { sizeBytes: number }[];
  t.same(others, []);
  t.match(found, { path: cache, records: 7, key: { imageSize: 64, dtype: 'bfloat16', classes: 'idd26' } });
  t.ok(found!.sizeBytes > 7 * 68096);
  const shown = await runCommand(['cache', 'list', cache]);
  t.match(
    shown.stdout,
    /cache +records +size +contents\n.*\bfirst +7 .*decoded bfloat16, 64×64, idd26, network/,
  );
  t.match((await runCommand(['cache', 'list', data])).stdout, /^no caches\n$/);
  const absent = await runCommand(['cache', 'list', join(root, 'absent')]);
  t.equal(absent.code, 1);
  t.match(absent.stderr, /^FILE_NOT_FOUND/m);
});

t.test('check ends with exit code 1 where something is damaged, and names it', async (t) => {
  const whole = await runCommand(['cache', 'check', cache]);
  t.equal(whole.code, 0, whole.stderr);
  t.match(whole.stdout, /^records: 7\n/);
  const path = join(cache, 'records-00000.bin');
  const content = readFileSync(path);
  content[64 + 68096 + 5]! ^= 4;
  writeFileSync(path, content);
  const damaged = await runCommand(['cache', 'check', cache, '--json']);
  t.equal(damaged.code, 1);
  t.match(JSON.parse(damaged.stdout), {
    records: 6,
    damage: [{ record: 'train scene/000000 view 1', reason: /byte 68160: the checksum does not match$/ }],
  });
  const mended = await runCommand(['cache', 'make', cache, ...flags]);
  t.equal(mended.code, 0, mended.stderr);
  t.match(mended.stderr, /damaged: train scene\/000000 view 1: .*; it is made again/);
  t.equal((await runCommand(['cache', 'check', cache])).code, 0);
});

t.test('remove takes a cache away, and nothing else', async (t) => {
  const refused = await runCommand(['cache', 'remove', data]);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^CACHE: There is no cache in/m);
  t.ok(existsSync(join(data, 'README.txt')));
  writeFileSync(join(cache, 'notes.txt'), 'mine');
  const removed = await runCommand(['cache', 'remove', cache]);
  t.equal(removed.code, 0, removed.stderr);
  t.match(removed.stdout, /^removed the cache in .*: \d+ records, \d+ files, \d[\d.]* .iB\n$/);
  t.match(removed.stderr, 'Other files were left there: notes.txt.');
  t.equal(readFileSync(join(cache, 'notes.txt'), 'utf8'), 'mine', 'what is not of the cache stays');
  t.notOk(existsSync(join(cache, 'cache.json')));
  t.equal((await runCommand(['cache', 'remove', cache])).code, 1);
});
