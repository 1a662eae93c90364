/** Commands that are stopped while the codec decodes, which nothing can stop. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { entry, runCommand, startProgram, type Ended } from '../helpers/command-line.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const at = (...names: string[]) => join(root, ...names);
const settings = await tinySettings(root, { train: 4, val: 6 });
const model = await SegmentationModel.load(settings.model, { device: 'cpu' });
const classSet = await loadClassSet('idd26');
const head = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 4 });
await head.save(at('head.safetensors'), { metadata: { imageSize: 64 } });
execFileSync('mkfifo', [at('pipe')]);

const files = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile())
        .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
    : [];

/** Starts a command, which decodes so many images, and sends a signal while the codec is in the next one. */
async function stoppedWhileDecoding(args: string[], after: number, signal: NodeJS.Signals): Promise<Ended> {
  const preload = ['--import', join(import.meta.dirname, '../helpers/stuck-codec.mjs')];
  const { child, ended } = startProgram(process.execPath, [...preload, entry, ...args], {
    ...{ HOLD_AT: '', STUCK_AT: at('pipe'), STUCK_AFTER: String(after) },
  });
  const early = ended.then(({ code, stderr }) => {
    throw new Error(`the command ended before the codec was stuck, with exit code ${code}: ${stderr}`);
  });
  await Promise.race([once(child.stdio[3] as Readable, 'data'), early]);
  early.catch(() => {});
  child.kill(signal);
  return ended;
}

const network = ['--model', settings.model, '--device', 'cpu', '--image-size', '64'];
const withHead = [...network, '--head', at('head.safetensors')];
const images = join(settings.data, 'leftImg8bit/val');

/** What each command is asked for, and how many images it decodes before. `again`: the same command then ends well. */
const commands: Record<
  string,
  { args: string[]; after: number; resume?: string[]; again: (t: Test) => void }
> = {
  features: {
    args: ['features', ...withHead, '--output', at('T.csv'), images],
    after: 3,
    again: (t) => t.equal(readFileSync(at('T.csv'), 'utf8').trim().split('\n').length, 1 + 6),
  },
  predict: {
    args: ['predict', ...withHead, '--skip-existing', '--output', at('predicted'), images],
    after: 3,
    again: (t) => t.equal(files(at('predicted')).filter((name) => name.endsWith('colored.png')).length, 6),
  },
  'cache make': {
    args: ['cache', 'make', ...network, '--data', settings.data, '--cache', at('cache')],
    after: 5,
    again: (t) => t.ok(existsSync(at('cache', 'index.jsonl'))),
  },
  eval: { args: ['eval', ...withHead, '--data', settings.data], after: 3, again: () => {} },
  'train --mode live': {
    args: [
      'train',
      ...network,
      '--data',
      settings.data,
      '--mode',
      'live',
      '--epochs',
      '1',
      '--out',
      at('run'),
    ],
    after: 3,
    resume: ['train', '--out', at('run'), '--resume'],
    again: (t) => t.ok(existsSync(at('run', 'best.safetensors'))),
  },
  'data check': { args: ['data', 'check', settings.data], after: 4, again: () => {} },
};

const skip = process.platform === 'win32' && 'no named pipes and no signals';
for (const [title, { args, after, resume = args, again }] of Object.entries(commands))
  t.test(`${title} ends while the codec decodes, and loses nothing`, { skip }, async (t) => {
    const { signal, stderr } = await stoppedWhileDecoding(args, after, 'SIGINT');
    t.equal(signal, 'SIGINT', `for a shell exit code 130: ${stderr}`);
    t.match(stderr, /^ABORTED: .*topped/m);
    const partial = files(root).filter((name) => /\.tmp|\.csv$|\.part/.test(name));
    t.same(partial, [], 'nothing half-written, and nothing that looks whole');
    const { code, stderr: log } = await runCommand(resume);
    t.equal(code, 0, log);
    again(t);
    if (title === 'features') rmSync(at('T.csv'));
  });
