import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { meanErrors, type CountedObjects } from '../../lib/demo/counted-objects.js';
import type { HeadWay } from '../../lib/demo/judged-heads.js';
import { runDemo } from '../../lib/demo/run-demo.js';
import { drawScene } from '../../packages/street-scenes/lib/scenes.js';
import type { Evaluation } from '../../lib/evaluate/evaluation.js';
import { writeTree } from '../helpers/temporary.js';

t.test(
  'the demo trains heads of the shipped network that beat every start, and says that nothing is real',
  async (t) => {
    const out = join(t.testdir(), 'demo');
    const text = await runDemo({ out, train: 24, val: 4, unseen: 8, epochs: 5, seeds: [1, 2] });
    t.match(text, /synthetic\. The results show that the method works; they say nothing about photographs/);
    t.ok(text.includes(out));
    for (const name of [
      'model.pt',
      'runs/class_embed-1/best.safetensors',
      'runs/linear_probe-2/metrics.jsonl',
      'predictions/000000_leftImg8bit_segmentation/comparison.png',
      'predictions/000002_leftImg8bit_segmentation/class_statistics.txt',
      'report.html',
      'features_csv_files/report.html',
    ])
      t.ok(existsSync(join(out, name)), name);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    const kinds = [...page.matchAll(/<section id="s\d+" class="(\w+)-section"/g)].map(([, kind]) => kind);
    t.same(kinds.slice(0, 2), ['figures', 'examples'], 'pictures come first');
    const ious = [...page.matchAll(/<article data-name="[^"]+" data-iou="([^"]+)"/g)].map(([, iou]) =>
      Number(iou),
    );
    t.equal(ious.length, 8);
    t.same(
      ious,
      [...ious].sort((a, b) => b - a),
      'the highest IoU first',
    );
    const table = readFileSync(join(out, 'features.csv'), 'utf8').trimEnd().split('\r\n');
    const rows = table.map((line) => line.split(','));
    t.equal(rows.length, 1 + 8);
    t.ok(
      rows.every(({ length }) => length === 1 + 37),
      'a name, 36 features and the unassigned pixels',
    );
    const { own, seeds, objects } = JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8')) as {
      own: Evaluation;
      seeds: Record<HeadWay, Evaluation>[];
      objects: CountedObjects[];
    };
    t.ok(own.mIoU! > 0.5, `ADE20K classes: ${own.mIoU}`);
    t.equal(seeds.length, 2);
    for (const { xavier, mapped, trained, probe } of seeds) {
      const figures = [xavier, mapped, trained, probe].map(({ mIoU }) => mIoU!);
      t.ok(mapped.mIoU! > xavier.mIoU! && probe.mIoU! > xavier.mIoU!, figures.join(' '));
      t.ok(trained.mIoU! > Math.max(mapped.mIoU!, probe.mIoU!), 'the best of them');
    }
    const drawn = await Promise.all(
      Array.from({ length: 8 }, (_, index) => drawScene({ seed: 8, index, width: 256, height: 192 })),
    );
    for (const { name, ...counted } of objects) {
      const truth = drawn.map((scene) => scene.objects.filter(({ className }) => className === name).length);
      const place = rows[0]!.indexOf(`det_vit_${name.replace(' ', '_')}`);
      const found = rows.slice(1).map((row) => Number(row[place]));
      const mean = (of: (index: number) => number) => truth.reduce((sum, _, i) => sum + of(i), 0) / 8;
      t.match(counted, {
        drawn: mean((i) => truth[i]!),
        counted: mean((i) => found[i]!),
        error: mean((i) => Math.abs(truth[i]! - found[i]!)),
      });
    }
    const { error, errorOfMean } = meanErrors(objects);
    t.ok(error < errorOfMean, `counts are off by ${error}, the classes' means by ${errorOfMean}`);
    t.match(readFileSync(join(out, 'README.txt'), 'utf8'), /nothing in this folder is real data/);
  },
);

t.test('a folder of something else is left alone', async (t) => {
  const root = await writeTree(t, { 'thesis.txt': 'years of work' });
  await t.rejects(runDemo({ out: root }), { code: 'RUN', message: /contains other files \(thesis\.txt\)/ });
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
