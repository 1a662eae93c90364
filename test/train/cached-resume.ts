/** A run on cached outputs that is stopped in any way and goes on gives what never stopping gives, bit by bit. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkCache } from '../../lib/cache/manage.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { CachedFeed } from '../../lib/train/cached-feed.js';
import { HeadsTrainer } from '../../lib/train/heads-trainer.js';
import { train } from '../../lib/train/loop.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { endHeld, runCommand, type Moment, shellCode } from '../helpers/command-line.js';
import { cacheSource, readIndexLines, recordName } from '../helpers/tiny-cache.js';
import { asFlags, readMetrics, readPosition, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings: Partial<TrainConfig> = {
  ...(await tinySettings(root, { train: 12, val: 2 })),
  mode: 'cached',
  epochs: 6,
  patience: 0,
};
const sweep = { sweep: 'lr=1e-3,3e-3;loss=cross-entropy,mask2former', epochs: 5 };

/** Two views of an image to train on, one of the others. */
const total = 2 * 12 + 2;

const cacheOf = (run: string) => `${run}-cache`;
const uninterrupted = { one: join(root, 'uninterrupted'), sweep: join(root, 'uninterrupted-sweep') };
await train({ ...settings, out: uninterrupted.one, cache: cacheOf(uninterrupted.one) });
await train({ ...settings, ...sweep, out: uninterrupted.sweep, cache: cacheOf(uninterrupted.one) });

function checksums(cache: string): Record<string, string> {
  const entries = readIndexLines(cache).flatMap(({ entry }) => (entry ? [entry] : []));
  return Object.fromEntries(entries.map((entry) => [recordName(entry), entry.checksum]));
}

async function checkSame(t: Test, run: string, cache: string, kind: 'one' | 'sweep' = 'one'): Promise<void> {
  for (const name of ['last.safetensors', 'best.safetensors', ...(kind === 'sweep' ? ['sweep.json'] : [])])
    t.ok(readFileSync(join(run, name)).equals(readFileSync(join(uninterrupted[kind], name))), name);
  t.same(readMetrics(run), readMetrics(uninterrupted[kind]), 'metrics');
  t.same(checksums(cache), checksums(cacheOf(uninterrupted.one)), 'records');
  t.same((await checkCache(cache)).damage, []);
}

/** Lines of a cache's index that are there so far. */
function lineCount(cache: string): number {
  const path = join(cache, 'index.jsonl');
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n').length - 1 : 0;
}

for (const [signal, records] of [
  ['SIGKILL', 0],
  ['SIGKILL', 13],
  ['SIGINT', 5],
] as const)
  t.test(`${signal} in the caching pass after ${records} records or more, then --resume`, async (t) => {
    const out = join(root, `caching-${signal}-${records}`);
    const argv = ['train', ...asFlags({ ...settings, out, cache: cacheOf(out) })];
    // The index has a line besides.
    const ended = await endHeld(argv, { file: 'index.jsonl', count: records + 1 }, signal);
    const there = lineCount(cacheOf(out)) - 1;
    t.ok(there >= records && there < total, `stopped after ${there} of ${total} records`);
    if (signal === 'SIGINT') {
      t.equal(shellCode(ended), 130);
      t.match(ended.stderr, /ABORTED: Training was stopped.*--resume/);
    }
    const resumed = await runCommand(['train', '--out', out, '--resume']);
    t.equal(resumed.code, 0, resumed.stderr);
    t.match(resumed.stderr, new RegExp(`: ${there} records found, ${total - there} made`));
    await checkSame(t, out, cacheOf(out));
  });

/** Earlier releases called the default loss `reference`; their runs go on. */
function nameLossAsOnce(run: string): void {
  const path = join(run, 'config.json');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('"loss": "cross-entropy"', '"loss": "reference"'));
}

/** In epoch 3; of a sweep, when the first of its four heads' lines for this epoch is written. */
const moments: Record<'one' | 'sweep', Moment> = {
  one: { epoch: 3, batch: 0 },
  sweep: { file: 'metrics.jsonl', count: 9 },
};

for (const kind of ['one', 'sweep'] as const)
  for (const signal of ['SIGKILL', 'SIGINT'] as const)
    t.test(
      `${signal} while ${kind === 'one' ? 'a head' : 'a sweep'} is trained, then --resume`,
      async (t) => {
        const out = join(root, `${kind}-${signal}`);
        const cache = cacheOf(uninterrupted.one);
        const given = { ...settings, ...(kind === 'sweep' && sweep), out, cache, saveEverySeconds: 0 };
        const { code } = await endHeld(['train', ...asFlags(given)], moments[kind], signal);
        const { epoch, finished } = readPosition(out)!;
        t.equal(code, signal === 'SIGINT' ? 130 : null);
        t.ok(epoch >= 3 && !finished, `stopped in epoch ${epoch}`);
        if (kind === 'one') nameLossAsOnce(out);
        const resumed = await runCommand(['train', '--out', out, '--resume']);
        t.equal(resumed.code, 0, resumed.stderr);
        await checkSame(t, out, cache, kind);
      },
    );

t.test('a pass by cache make that is stopped goes on where it was', async (t) => {
  const cache = join(root, 'stopped-pass');
  const controller = new AbortController();
  const reason = new Error('enough');
  const stopped = makeCache(
    { ...settings, cache },
    {
      signal: controller.signal,
      onProgress: ({ phase, done }) => {
        if (phase === 'cache' && done === 7) controller.abort(reason);
      },
    },
  );
  await t.rejects(stopped, reason);
  t.same((await checkCache(cache)).damage, [], 'what is there is whole');
  const there = lineCount(cache) - 1;
  t.ok(there >= 7 && there <= 8, `${there} records`);
  const { kept, made } = await makeCache({ ...settings, cache });
  t.same({ kept, made }, { kept: there, made: total - there });
  t.same(checksums(cache), checksums(cacheOf(uninterrupted.one)));
});

t.test('an epoch that is parted at every step has the losses and weights of one that is not', async (t) => {
  const { config, datasets } = await cacheSource({
    ...settings,
    batchSize: 3,
    cache: cacheOf(uninterrupted.one),
    sweep: 'lr=1e-3,3e-3;loss=mask2former,reference',
  });
  const folder = t.testdir();
  const trained: Record<string, { losses: number[][]; slices: number[]; state: Buffer }> = {};
  for (const [name, sliceSeconds] of Object.entries({ whole: Infinity, parted: 0 })) {
    using trainer = await HeadsTrainer.open(config, datasets, {});
    (trainer.feed as CachedFeed).sliceSeconds = sliceSeconds;
    const losses: number[][] = [[], [], [], []];
    const slices: number[] = [];
    for (const epoch of [1, 2])
      for await (const slice of trainer.train(epoch, 0)) {
        slices.push(slice.batches);
        slice.losses.forEach((own, head) => losses[head]!.push(...own));
      }
    const path = join(folder, name);
    await trainer.saveStates(path, { run: '{}' });
    trained[name] = { losses, slices, state: readFileSync(path) };
  }
  const { whole, parted } = trained;
  t.same(whole!.slices, [4, 4]);
  t.same(parted!.slices, [2, 2, 2, 2], 'up to a step');
  t.same(parted!.losses, whole!.losses);
  t.ok(parted!.state.equals(whole!.state), 'states');
});
