/**
 * Files that become shorter while they are mapped: by the time that a page is touched, it is gone. The kernel's signal (SIGBUS) becomes an
 * error of the job that read the page, and nothing that was computed from it is kept.
 */
import { copyFileSync, existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { sharp } from '../lib/codec.js';
import { checkCache } from '../lib/cache/manage.js';
import { ClassHead } from '../lib/model/class-head.js';
import { initModel } from '../lib/model/init-model.js';
import { entry, startProgram, type Ended } from './helpers/command-line.js';
import { faultyDiskScript, skipWithoutCompiler, startOnFaultyDisk } from './helpers/faulty-disk.js';
import { writeFormulaCheckpoints } from './helpers/network.js';
import { asFlags, readMetrics, tensorDigests, tinySettings } from './helpers/tiny-run.js';

const root = t.testdir();
const at = (...names: string[]) => join(root, ...names);
const skip = skipWithoutCompiler();
const { backbone, head } = await writeFormulaCheckpoints(root);
const settings = { ...(await tinySettings(root, { train: 4, val: 2 })), mode: 'cached' as const };
const pageBytes = 4096;

/** Runs a command; after the n-th call of a kind on a path that contains `part`, `path` has `size` bytes. */
async function runCut(
  [call, part, n]: [call: string, part: string, n: number],
  { path, size }: { path: string; size: number },
  args: string[],
): Promise<Ended> {
  return startOnFaultyDisk(entry, args, { fault: `${call}|${part}|${n}|cut|${size}|${path}` }).ended;
}

function isCutError(t: Test, { code, signal, stderr }: Ended, path: string): void {
  t.equal(signal, null, 'not ended by a signal');
  t.equal(code, 1, stderr);
  t.ok(stderr.includes(`IO: ${path} was cut short while it was read`), stderr);
  t.match(stderr, /copy it again, and run the command again/);
}

/** A copy that may be cut. */
function copyOf(path: string, name: string): string {
  copyFileSync(path, at(name));
  return at(name);
}

for (const [how, size] of [
  ['to nothing', 0],
  ['within its first page, whose end then reads as zeros', 9],
  ['to whole pages', pageBytes],
] as const)
  t.test(`inspect: a file that is cut ${how}`, { skip }, async (t) => {
    const path = copyOf(backbone, `inspected-${size}.safetensors`);
    const ended = await runCut(['map', path, 1], { path, size }, ['inspect', path]);
    isCutError(t, ended, path);
    t.equal(ended.stdout, '');
  });

t.test('convert: a checkpoint that is cut while the network is written', { skip }, async (t) => {
  const path = copyOf(backbone, 'cut-backbone.safetensors');
  const size = 5 * pageBytes;
  const out = at('converted.pt');
  const args = ['convert', '--backbone', path, '--head', head, '--out', out];
  isCutError(t, await runCut(['open', 'converted.pt', 1], { path, size }, args), path);
  t.notOk(
    readdirSync(root).some((name) => name.startsWith('converted')),
    'nothing is left of what was written',
  );
});

t.test(
  'convert: one that loses the end of its last page, which nobody notices on reading',
  { skip },
  async (t) => {
    const path = copyOf(backbone, 'shorter-backbone.safetensors');
    const size = statSync(path).size - 1;
    const args = ['convert', '--backbone', path, '--head', head, '--out', at('shorter.pt')];
    isCutError(t, await runCut(['open', 'shorter.pt', 1], { path, size }, args), path);
    t.notOk(existsSync(at('shorter.pt')));
  },
);

t.test(
  'train: records that are cut after the first epoch; the run goes on to the same weights',
  { skip },
  async (t) => {
    const run = (name: string) => [
      ...asFlags({ ...settings, cache: at(`${name}-cache`) }),
      ...['--out', at(name), '--save-every-seconds', '0'],
    ];
    const whole = await startProgram(process.execPath, [entry, 'train', ...run('whole')]).ended;
    t.equal(whole.code, 0, whole.stderr);

    const path = at('cut-cache/records-00000.bin');
    const ended = await runCut(['rename', '/last.safetensors', 1], { path, size: 3 * pageBytes }, [
      'train',
      ...run('cut'),
    ]);
    isCutError(t, ended, path);
    t.ok(readdirSync(at('cut')).includes('last.safetensors'), 'there is a state to go on from');
    const damage = (await checkCache(at('cut-cache'))).damage.map(({ reason }) => reason);
    t.match(damage.join('\n'), /records-00000\.bin/);

    const args = ['train', '--out', at('cut'), '--cache', at('cut-cache'), '--resume'];
    const resumed = await startProgram(process.execPath, [entry, ...args]).ended;
    t.equal(resumed.code, 0, resumed.stderr);
    t.same((await checkCache(at('cut-cache'))).damage, []);
    for (const name of ['best', 'last'] as const)
      t.same(tensorDigests(at('cut'), name), tensorDigests(at('whole'), name), name);
    t.same(readMetrics(at('cut')), readMetrics(at('whole')));
  },
);

t.test('cache check: records that are cut while they are read are named as damaged', { skip }, async (t) => {
  const cache = at('whole-cache');
  const path = join(cache, 'records-00000.bin');
  const size = statSync(path).size - 5 * pageBytes;
  const { code, signal, stdout, stderr } = await runCut(['map', path, 1], { path, size }, [
    ...['cache', 'check', cache, '--json'],
  ]);
  t.equal(signal, null);
  t.equal(code, 1, stderr);
  t.match(stdout, /records-00000\.bin, byte \d+: the checksum does not match/);
});

t.test('forward: a network whose weights are read from its file in each pass', async (t) => {
  // Its matrices are larger than 1 MiB: smaller ones are read when the network is loaded.
  const path = at('streamed.pt');
  await initModel({ arch: 'dinov3_vits16', seed: 5, dtype: 'bfloat16', out: path });
  const script = faultyDiskScript('mapped-network.mjs');
  const { code, signal, stdout, stderr } = await startProgram(process.execPath, [script, path]).ended;
  t.equal(signal, null, 'not ended by a signal');
  t.equal(code, 0, stderr);
  const { before, cut, after } = JSON.parse(stdout) as Record<string, string>;
  t.equal(before, 'done');
  t.ok(cut!.startsWith(`IO: ${path} was cut short while it was read`), cut!);
  t.equal(after, cut, 'and so does every later pass');
});

t.test('a tensor that was read from a file keeps its values when the file is cut', async (t) => {
  using made = ClassHead.create({ hidden: 8, classes: 2, precision: 'float32', seed: 4 });
  const path = at('head.safetensors');
  await made.save(path, {});
  const { engine } = await import('../lib/native/engine.js');
  const { tensors } = await engine().readTensors(path);
  const before = await Promise.all(Object.values(tensors).map((each) => engine().tensorData(each)));
  truncateSync(path, 0);
  const after = await Promise.all(Object.values(tensors).map((each) => engine().tensorData(each)));
  t.ok(before.length > 0);
  t.same(after, before);
});

t.test(
  'a fault elsewhere, and a signal that somebody sends, end the process as before',
  { skip },
  async (t) => {
    const script = faultyDiskScript('other-bus-errors.mjs');
    const picture = at('noise.webp');
    const create = { width: 256, height: 256, channels: 3, background: 'black' } as const;
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    await sharp({ create: { ...create, noise } })
      .webp({ lossless: true })
      .toFile(picture);
    const fault = `map|${picture}|1|cut|0|${picture}`;
    const elsewhere = await startOnFaultyDisk(script, ['fault', backbone, picture], { fault }).ended;
    t.equal(elsewhere.signal, 'SIGBUS', elsewhere.stderr);
    const sent = await startProgram(process.execPath, [script, 'sent', backbone]).ended;
    t.equal(sent.signal, 'SIGBUS', sent.stderr);
  },
);
