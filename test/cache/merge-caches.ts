/** Parts of a cache, and the cache that they make. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { checkCache } from '../../lib/cache/manage.js';
import { mergeCaches } from '../../lib/cache/merge-caches.js';
import { engine } from '../../lib/native/engine.js';
import { parseShard, shardPath } from '../../lib/shard.js';
import { train } from '../../lib/train/loop.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { spawnCommand } from '../helpers/command-line.js';
import { asFlags, tensorDigests, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const { model, data, ...run } = await tinySettings(root, { train: 4, val: 2 });
const network = { model, data, imageSize: 64, device: 'cpu', seed: 3 } as const;
const at = (name: string) => join(root, name);
const make = (name: string, shard?: string, more: object = {}) =>
  makeCache(
    { ...network, cache: at(name), passSize: 3, ...more },
    shard === undefined ? {} : { shard: parseShard(shard) },
  );
const whole = await make('whole');

/** Checksums of the records, by what they are of. */
async function checksums(path: string): Promise<Record<string, string>> {
  const { index } = await CacheFolder.find(path);
  return Object.fromEntries([...index.entries].map(([id, { checksum }]) => [id, checksum]));
}

t.test(
  'the parts of a cache hold the records that one run makes, whatever they share a pass with',
  async (t) => {
    const parts = [];
    for (const shard of ['3/3', '1/3', '2/3']) parts.push(await make('merged', shard));
    t.same(
      parts.map(({ path, made }) => [path, made]),
      [
        [at('merged-00003-of-00003'), 4],
        [at('merged-00001-of-00003'), 3],
        [at('merged-00002-of-00003'), 3],
      ],
    );
    const merged = await mergeCaches(
      parts.map(({ path }) => path),
      at('merged'),
    );
    t.match(merged, { path: at('merged'), records: 10 });
    t.ok(merged.bytes >= whole.bytes);
    t.same(await checksums(at('merged')), await checksums(at('whole')));
    t.match(await checkCache(at('merged')), { records: 10, damage: [] });
    for (const { path } of parts) t.notOk(existsSync(path), 'parts are gone');
    t.match(await make('merged'), { kept: 10, made: 0 }, 'nothing is missing');

    for (const name of ['whole', 'merged'])
      await train({
        ...run,
        ...network,
        epochs: 1,
        mode: 'cached',
        out: at(`runs/${name}`),
        cache: at(name),
      });
    t.same(tensorDigests(at('runs/merged'), 'last'), tensorDigests(at('runs/whole'), 'last'));
  },
);

t.test('a part that was stopped goes on alone, with the same command', async (t) => {
  const single = { passSize: 1 };
  await make('single', undefined, single);
  const done = await make('stopped', '1/2', single);
  const stopping = new AbortController();
  const onProgress = ({ phase }: { phase: string }) => phase === 'cache' && stopping.abort();
  const shard = parseShard('2/2');
  const given = { ...network, cache: at('stopped'), ...single };
  const { signal } = stopping;
  await t.rejects(makeCache(given, { shard, signal, onProgress }), { name: 'AbortError' });
  const path = shardPath(at('stopped'), shard, '');
  await t.rejects(mergeCaches([done.path, path], at('stopped')), {
    code: 'CACHE',
    message: /stopped-00002-of-00002 has [1-4] of its 5 records\. Run its `cache make` again/,
  });
  t.notOk(existsSync(at('stopped')), 'nothing half-merged');
  const { kept, made } = await makeCache(given, { shard });
  t.ok(kept > 0 && made > 0 && kept + made === 5, `${kept} kept, ${made} made`);
  t.match(await makeCache(given, { shard }), { kept: 5, made: 0 });
  await mergeCaches([done.path, path], at('stopped'));
  t.same(await checksums(at('stopped')), await checksums(at('single')));
});

t.test('parts that are not those of one cache are refused, and stay as they are', async (t) => {
  const [one, two] = [(await make('a', '1/2')).path, (await make('a', '2/2')).path];
  const { path: flipped } = await make('flipped', '2/2', { flip: 0 });
  const { path: third } = await make('a', '2/3');
  const { path: otherSize } = await make('size', '2/2', { passSize: 2 });
  const refused = (parts: string[], message: RegExp, into = at('refused'), code = 'CACHE') =>
    t.rejects(mergeCaches(parts, into), { code, message });
  await refused([], /No part was given/, at('refused'), 'INVALID_ARGUMENT');
  await refused([one], /^Missing parts: 2\/2\.$/);
  await refused([one, one], /are both part 1\/2\. Give each part once/);
  await refused([one, flipped], /belong to different caches:\n {2}views\.flip: true → false/);
  await refused([one, third], /belong to different caches:\n {2}parts: 2 → 3/);
  await refused([one, otherSize], /belong to different caches:\n {2}passSize: 3 → 2/);
  await refused([one, at('whole')], /whole is a whole cache, not a part of one/);
  await refused([one, at('none')], /There is no cache in .*none/);
  await refused(
    [one, two],
    /was made with other settings/,
    (await make('other', undefined, { flip: 0 })).path,
  );
  t.notOk(existsSync(at('refused')));
  const index = join(two, 'index.jsonl');
  const content = readFileSync(index);
  truncateSync(index, content.length - 10);
  await refused([one, two], /is damaged or unfinished: .*its last line is incomplete/);
  t.ok(existsSync(one));
});

t.test('a merge waits for no one: a cache that is being written is refused', async (t) => {
  const parts = [(await make('busy', '1/2')).path, (await make('busy', '2/2')).path];
  const folder = await CacheFolder.find(parts[1]!);
  const lock = engine().createCacheWriter(folder.layout!, folder.id, folder.file('lock'));
  await t.rejects(mergeCaches(parts, at('busy')), { code: 'CACHE', message: /process/ });
  engine().dispose(lock);
  await mergeCaches(parts, at('busy'));
  t.same(await checksums(at('busy')), await checksums(at('whole')));
});

t.test('what an ended merge left is no obstacle', async (t) => {
  const parts = [(await make('again', '1/2')).path, (await make('again', '2/2')).path];
  await mergeCaches(parts, at('again'));
  // As if it had ended before the index was written.
  const kept = statSync(join(at('again'), 'records-00000.bin')).size;
  const remade = [(await make('again', '1/2')).path, (await make('again', '2/2')).path];
  rmSync(join(at('again'), 'index.jsonl'));
  rmSync(join(at('again'), 'cache.json'));
  t.match(await mergeCaches(remade, at('again')), { records: 10 });
  t.equal(statSync(join(at('again'), 'records-00000.bin')).size, kept);
  t.same(
    readdirSync(at('again'))
      .filter((name) => name.startsWith('records'))
      .sort(),
    ['records-00000.bin', 'records-00001.bin'],
  );
  // As if it had ended while it removed the parts.
  const { path: left } = await make('again', '2/2');
  t.match(await mergeCaches([left], at('again')), { records: 10, bytes: 0 });
  t.notOk(existsSync(left));
  t.same(await checksums(at('again')), await checksums(at('whole')));
});

/** A folder on another file system than this one; undefined where there is none. */
function otherDisk(t: Test): string | undefined {
  const memory = '/dev/shm';
  if (!existsSync(memory) || statSync(memory).dev === statSync(root).dev) return undefined;
  const folder = mkdtempSync(join(memory, 'dinov3-seg-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

t.test('records are copied to another file system', async (t) => {
  const disk = otherDisk(t);
  if (disk === undefined) return void t.pass('/dev/shm is absent or on the same file system');
  const parts = [(await make('far', '1/2')).path, (await make('far', '2/2')).path];
  t.match(await mergeCaches(parts, join(disk, 'far')), { records: 10 });
  t.same(await checksums(join(disk, 'far')), await checksums(at('whole')));
  t.match(await checkCache(join(disk, 'far')), { records: 10, damage: [] });
});

t.test('more parts than records are refused', async (t) => {
  await t.rejects(make('many', '1/11'), {
    code: 'INVALID_ARGUMENT',
    message: /would have no record: the cache has 10/,
  });
});

t.test('cache make --shard auto and cache merge make the cache by commands', async (t) => {
  const flags = asFlags({ ...network, passSize: 3 });
  const launched = (index: number) => ({ JOB_COMPLETION_INDEX: String(index), JOB_COMPLETIONS: '2' });
  for (const index of [0, 1]) {
    const { code, stderr } = await spawnCommand(
      ['cache', 'make', at('cli'), ...flags, '--shard', 'auto'],
      launched(index),
    );
    t.equal(code, 0, stderr);
    t.match(
      stderr,
      `Part ${index + 1} of 2, by Kubernetes (JOB_COMPLETION_INDEX ${index}, JOB_COMPLETIONS 2).`,
    );
    t.match(stderr, `dinov3-seg cache merge ${at('cli')} ${at('cli')}-*-of-00002`);
  }
  const parts = [at('cli-00001-of-00002'), at('cli-00002-of-00002')];
  const merged = await spawnCommand(['cache', 'merge', at('cli'), ...parts], {});
  t.equal(merged.code, 0, merged.stderr);
  t.match(merged.stdout, /^path: .*cli\nrecords: 10\n/);
  t.same(await checksums(at('cli')), await checksums(at('whole')));
});
