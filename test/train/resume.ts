/** Stopping in any way and going on gives what never stopping gives, bit by bit. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { train } from '../../lib/train/loop.js';
import { sameBits } from '../helpers/close.js';
import { endHeld, runCommand, shellCode } from '../helpers/command-line.js';
import { writeForeign } from '../helpers/foreign-network.js';
import { asFlags, readMetrics, readPosition, readTensors, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = await tinySettings(root, { train: 6, val: 2 });
const uninterrupted = join(root, 'uninterrupted');
await train({ ...settings, out: uninterrupted });

function sameAsUninterrupted(t: Test, run: string): void {
  for (const name of ['last', 'best'] as const) {
    const expected = readTensors(uninterrupted, name);
    const actual = readTensors(run, name);
    t.same(Object.keys(actual), Object.keys(expected));
    for (const [key, { data }] of Object.entries(expected))
      t.ok(sameBits(actual[key]!.data, data), `${name} ${key}`);
  }
  t.same(readMetrics(run), readMetrics(uninterrupted), 'metrics');
  t.equal(readPosition(run)!.finished, true);
}

t.test('an uninterrupted run leaves all files behind', async (t) => {
  for (const name of ['config.json', 'metrics.jsonl', 'training.log', 'best.safetensors', 'last.safetensors'])
    t.ok(existsSync(join(uninterrupted, name)), name);
  const metrics = readMetrics(uninterrupted);
  t.same(
    metrics.map(({ epoch }) => epoch),
    [1, 2, 3],
  );
  t.same(Object.keys(metrics[0]!), [
    'epoch',
    'trainLoss',
    'valLoss',
    'mIoU',
    'perImageIoU',
    'pixelAccuracy',
    'classIoU',
    'lr',
  ]);
  t.ok((metrics[2]!['trainLoss'] as number) < (metrics[0]!['trainLoss'] as number), 'the loss goes down');
});

t.test('the same settings give the same run', async (t) => {
  const out = join(root, 'again');
  await train({ ...settings, out });
  sameAsUninterrupted(t, out);
});

t.test('two processes never train in one folder: the second names the first', async (t) => {
  const out = join(root, 'claimed');
  let second: Promise<unknown>[] = [];
  const begin = () =>
    (second = [true, false].map((resume) =>
      train({ ...settings, epochs: 1, out }, { resume }).catch((error: unknown) => error),
    ));
  const onLog = () => void (second.length > 0 || begin());
  await train({ ...settings, epochs: 1, out }, { onLog });
  const message = new RegExp(`The run in .*claimed is being written by process ${process.pid} on `);
  t.match((await second[0]) as Error, { code: 'RUN', message });
  t.match((await second[1]) as Error, { code: 'RUN', message });
  t.same(
    readdirSync(out).filter((name) => name.startsWith('claim')),
    [],
    'the lock is given back',
  );
});

t.test('kill -9 in the middle of an epoch, then --resume', async (t) => {
  const out = join(root, 'killed');
  const flags = asFlags({ ...settings, out, saveEverySeconds: 0 });
  t.equal((await endHeld(['train', ...flags], { epoch: 2, batch: 4 }, 'SIGKILL')).signal, 'SIGKILL');
  t.match(readPosition(out), { epoch: 2, batch: 4 });
  const resumed = await runCommand(['train', '--out', out, '--resume']);
  t.equal(resumed.code, 0, resumed.stderr);
  sameAsUninterrupted(t, out);
});

t.test('kill -9 before anything was saved, then --resume', async (t) => {
  const out = join(root, 'killed-early');
  const begun = { file: join(out, 'config.json'), count: 1 };
  await endHeld(['train', ...asFlags({ ...settings, out })], begun, 'SIGKILL');
  await train({ out }, { resume: true });
  sameAsUninterrupted(t, out);
});

t.test('Ctrl-C ends with a state to resume from, exit code 130, and says how', async (t) => {
  const out = join(root, 'interrupted');
  const flags = asFlags({ ...settings, out, saveEverySeconds: 0 });
  const ended = await endHeld(['train', ...flags], { epoch: 1, batch: 2 }, 'SIGINT');
  t.equal(shellCode(ended), 130);
  t.match(ended.stderr, /ABORTED: Training was stopped.*dinov3-seg train --out .* --resume/);
  const resumed = await runCommand(['train', '--out', out, '--resume']);
  t.equal(resumed.code, 0, resumed.stderr);
  sameAsUninterrupted(t, out);
});

t.test(
  'a run whose network needs --trust-code needs it again with --resume: no run folder can state it',
  async (t) => {
    const out = join(root, 'of-a-stranger');
    const written = join(root, 'written.bin');
    // A result that nobody uses would be left out.
    const decode = [`queries = torch.add(queries, torch.sum(torch.from_file("${written}", True, 4)))`];
    const model = await writeForeign(join(root, 'foreign.pt'), { decode });
    const flags = asFlags({ ...settings, model, out, saveEverySeconds: 0 });
    const begun = await endHeld(['train', ...flags, '--trust-code'], { epoch: 1, batch: 2 }, 'SIGINT');
    t.equal(shellCode(begun), 130, begun.stderr);
    rmSync(written);
    const resume = (...more: string[]) => runCommand(['train', '--out', out, '--resume', ...more]);
    const refused = await resume();
    t.equal(refused.code, 1);
    t.match(refused.stderr, /MODEL_CODE: .*aten::from_file.*--trust-code/s);

    const config = join(out, 'config.json');
    const honest = readFileSync(config, 'utf8');
    t.notMatch(honest, /trust/i);
    for (const key of ['trustCode', 'trust-code']) {
      writeFileSync(config, honest.replace('"model":', `"${key}": true, "model":`));
      const stated = await resume();
      t.equal(stated.code, 2);
      t.match(stated.stderr, new RegExp(key));
    }
    writeFileSync(config, honest);
    t.notOk(existsSync(written), 'nothing of the code ran');

    const trusted = await resume('--trust-code');
    t.equal(trusted.code, 0, trusted.stderr);
    t.ok(existsSync(written));
    t.equal(readPosition(out)!.finished, true);
  },
);

t.test('stopping by signal in training and in evaluation, again and again', async (t) => {
  const out = join(root, 'stopped');
  const stopAt = [
    { phase: 'train', epoch: 1, done: 3 },
    { phase: 'evaluate', epoch: 1, done: 1 },
    { phase: 'train', epoch: 2, done: 6 },
    { phase: 'evaluate', epoch: 3, done: 2 },
  ];
  for (const [sitting, stop] of stopAt.entries()) {
    const controller = new AbortController();
    const given = sitting === 0 ? { ...settings, out } : { out };
    const stopped = train(given, {
      resume: sitting > 0,
      signal: controller.signal,
      onProgress: ({ phase, epoch, done }) => {
        if (phase === stop.phase && epoch === stop.epoch && done === stop.done) controller.abort();
      },
    });
    await t.rejects(stopped, { code: 'ABORTED' }, JSON.stringify(stop));
    const position = readPosition(out)!;
    t.ok(position.batch % 2 === 0, 'it stands after an optimiser step');
  }
  await train({ out }, { resume: true });
  sameAsUninterrupted(t, out);
});

t.test('a finished run that is resumed stays as it is', async (t) => {
  const result = await train({ out: uninterrupted }, { resume: true });
  t.equal(result.epochs, 3);
  t.match(await readFile(join(uninterrupted, 'training.log'), 'utf8'), /finished after 3 epochs/);
});
