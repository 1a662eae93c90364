/** Reports of evaluations. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { renderReport } from '../../lib/report/html/page.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { evaluationReport } from '../../lib/evaluate/evaluate-report.js';
import { runCommand } from '../helpers/command-line.js';
import { indicesIn } from '../helpers/report.js';
import { scenesAndHead } from '../helpers/scenes-and-head.js';

const root = t.testdir();
const at = (...parts: string[]) => join(root, ...parts);
const { settings, dataset, model, head, flags } = await scenesAndHead(root);

t.test('the report of an evaluation has its figures and what the head makes of images', async (t) => {
  const evaluation = await evaluate(model, head, dataset, { imageSize: 64 });
  const report = await evaluationReport(model, head, dataset, evaluation, {
    imageSize: 64,
    examples: 2,
    settings: { data: 'here', other: undefined },
  });
  const page = renderReport(report);
  t.ok(page.includes(`<dd>${(100 * evaluation.mIoU!).toFixed(1)} %<small>`), 'mIoU');
  for (const { index, iou } of evaluation.classes)
    if (iou !== null) t.ok(page.includes(`data-sort="${iou}"`), `class ${index}`);
  t.match(page, />data<\/th><td>here</);
  t.notMatch(page, />other<\/th>/);
  const [predictions, truths] = [await indicesIn(page, 'prediction'), await indicesIn(page, 'truth')];
  t.equal(predictions.length, 2);
  t.same(
    report.sections.slice(0, 2).map(({ kind }) => kind),
    ['figures', 'examples'],
    'pictures come first',
  );
  const ious = evaluation.imageIou.map((iou) => iou ?? Infinity);
  t.equal(ious.length, 5);
  const every = await evaluationReport(model, head, dataset, evaluation, { imageSize: 64, examples: 5 });
  const sorted = [...ious].sort((a, b) => a - b);
  t.notSame(ious, sorted, 'the data set is in another order');
  t.match(every.sections[1], { examples: sorted.map((iou) => ({ iou })) }, 'the lowest IoU first');
  const lowest = ious.indexOf(Math.min(...ious));
  const shown = [lowest, lowest === 0 ? 1 : 0].sort((a, b) => ious[a]! - ious[b]!);
  t.match(page, new RegExp(`<article data-name="${dataset.pairs[lowest]!.name}" data-iou="${ious[lowest]}"`));
  const table = /<section[^>]*><h2[^>]*>Images by IoU.*?<\/section>/s.exec(page)![0];
  const names = [...table.matchAll(/<th scope="row">([^<]+)</g)].map(([, name]) => name);
  t.same(
    names,
    dataset.pairs
      .map(({ name }, i) => ({ name, iou: ious[i]! }))
      .sort((a, b) => a.iou - b.iou)
      .map(({ name }) => name),
    'all images by name, the lowest IoU first',
  );
  for (const [i, index] of shown.entries()) {
    const { image, label } = await dataset.load(index);
    const { data } = await model.segment(image, { head, imageSize: 64 });
    t.same([predictions[i], truths[i]], [[...data], [...label.data]]);
  }
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(evaluationReport(model, head, dataset, evaluation, { imageSize: 64, signal }), {
    message: 'enough',
  });
});

t.test('eval writes a report where it is told to, and its figures in any case', async (t) => {
  const good = await runCommand([
    'eval',
    ...flags,
    '--data',
    settings.data,
    '--json',
    '--report',
    at('deep/eval.html'),
  ]);
  t.equal(good.code, 0, good.stderr);
  t.match(JSON.parse(good.stdout), { images: 5 });
  t.match(good.stderr, /report: .*deep\/eval\.html/);
  t.match(readFileSync(at('deep/eval.html'), 'utf8'), /<h1>Evaluation on idd26<\/h1>/);
  mkdirSync(at('folder.html/below'), { recursive: true });
  const bad = await runCommand([
    'eval',
    ...flags,
    '--data',
    settings.data,
    '--json',
    '--report',
    at('folder.html'),
  ]);
  t.equal(bad.code, 1);
  t.match(JSON.parse(bad.stdout), { images: 5 });
  t.match(bad.stderr, /IO: .*folder\.html could not be written/);
});
