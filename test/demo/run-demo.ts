import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runDemo } from '../../lib/demo/run-demo.js';
import type { Evaluation } from '../../lib/train/tally.js';
import { writeTree } from '../helpers/temporary.js';

t.test('the demo trains, evaluates and predicts, and says that nothing of it is real', async (t) => {
  const out = join(t.testdir(), 'demo');
  const text = await runDemo({ out, train: 6, val: 2, epochs: 2 });
  t.match(text, /random weights and the street scenes are drawn/);
  t.ok(text.includes(out));
  for (const name of [
    'model.pt',
    'run/best.safetensors',
    'run/metrics.jsonl',
    'predictions/000000_leftImg8bit_segmentation/comparison.png',
    'predictions/000002_leftImg8bit_segmentation/class_statistics.txt',
  ])
    t.ok(existsSync(join(out, name)), name);
  const { before, after } = JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8')) as Record<
    'before' | 'after',
    Evaluation
  >;
  t.ok(after!.mIoU! > before!.mIoU!, `mIoU ${before!.mIoU} → ${after!.mIoU}`);
  t.match(readFileSync(join(out, 'README.txt'), 'utf8'), /nothing in this folder is real data/);
});

t.test('a folder of something else is left alone', async (t) => {
  const root = await writeTree(t, { 'thesis.txt': 'years of work' });
  await t.rejects(runDemo({ out: root }), { code: 'RUN', message: /holds something else \(thesis\.txt\)/ });
  t.equal(readFileSync(join(root, 'thesis.txt'), 'utf8'), 'years of work');
});

t.test('an earlier demo is replaced', async (t) => {
  const root = await writeTree(t, {
    'README.txt': 'Made by `dinov3-seg demo`: nothing in this folder is real data.\n',
    'run/config.json': '{}',
  });
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(runDemo({ out: root, train: 1, val: 1, signal }), { message: 'enough' });
  t.notOk(existsSync(join(root, 'run')));
});
