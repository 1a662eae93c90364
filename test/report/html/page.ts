/** Whole pages: what is in them, and what names from outside cannot do to them. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { classSet } from '../../../lib/data/class-set.js';
import { attemptReport } from '../../../lib/report/html/attempt.js';
import { examplesSection } from '../../../lib/report/html/example.js';
import { renderReport, writeReport } from '../../../lib/report/html/page.js';
import type { Report } from '../../../lib/report/html/report.js';
import { classSections, evaluationSections } from '../../../lib/evaluate/evaluation-report.js';
import { madeUpEvaluation, madeUpExamples, madeUpReport } from '../../helpers/report.js';

const page = renderReport(await madeUpReport());

t.test('a report is self-contained and may run and load nothing else', async (t) => {
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)![1]!.replaceAll('&#39;', "'");
  t.match(policy, /^default-src 'none'; img-src data:; /);
  const hashes = (directive: string) =>
    [
      ...policy
        .split('; ')
        .find((part) => part.startsWith(directive))!
        .matchAll(/'(sha256-[^']+)'/g),
    ].map(([, hash]) => hash);
  const contents = (tag: string) =>
    [...page.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, text]) => text!);
  const digest = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`;
  for (const [tag, directive] of [
    ['script', 'script-src'],
    ['style', 'style-src'],
  ] as const) {
    const found = contents(tag).map(digest);
    t.ok(found.length > 0);
    t.same(hashes(directive), found, `${directive} names every ${tag} and no other`);
  }
  const outside = [...page.matchAll(/(?:src|href|action)="([^"]*)"/g)].map(([, target]) => target!);
  t.ok(outside.length > 10);
  t.same(
    outside.filter((target) => !target.startsWith('data:') && !target.startsWith('#')),
    [],
  );
  t.notMatch(page, / style="|url\(|@import/);
});

t.test('every section has its heading and a link to it, every picture a text', async (t) => {
  const { sections } = await madeUpReport();
  for (const [i, { title }] of sections.entries()) {
    t.ok(page.includes(`<h2 id="h${i}">${title}</h2>`), title);
    t.ok(page.includes(`<a href="#s${i}">${title}</a>`));
  }
  const images = [...page.matchAll(/<img [^>]*>/g)].map(([tag]) => tag);
  t.equal(images.length, 5);
  for (const tag of images) t.match(tag, / alt="[^"]+"/);
  t.ok(page.includes('prediction for halves: road 50 %, parking 50 %.'));
  t.ok(page.includes('prediction: 50.0 % of the labelled pixels correct.'));
  t.match(page, /aria-label="Loss\. training: 2 at epoch 1, 0\.1 at epoch 20; /);
});

t.test('names from outside stay text wherever they stand', async (t) => {
  const evil = `</script><script>alert(1)</script>"'><img src=x onerror=alert(2)>`;
  const set = classSet(
    evil,
    [
      [`${evil} a`, [1, 2, 3]],
      [`${evil} b`, [4, 5, 6]],
      [`${evil} c`, [7, 8, 9]],
    ],
    [],
  );
  const evaluation = madeUpEvaluation(set);
  const examples = madeUpExamples().map((example) => ({ ...example, name: evil, caption: evil }));
  const report: Report = {
    title: evil,
    lead: evil,
    made: evil,
    sections: [
      { kind: 'figures', title: evil, note: evil, figures: [{ label: evil, value: evil, note: evil }] },
      {
        kind: 'curves',
        title: evil,
        charts: [
          {
            title: evil,
            x: evil,
            unit: 'number',
            series: [{ name: evil, points: [[1, 2]] }],
            mark: { x: 1, label: evil },
          },
        ],
      },
      ...classSections(
        [
          { name: evil, evaluation },
          { name: evil, evaluation },
        ],
        set,
      ),
      await examplesSection({ title: evil, note: evil }, examples, set),
      { kind: 'properties', title: evil, groups: [{ title: evil, rows: [[evil, evil]] }] },
      {
        kind: 'table',
        title: evil,
        columns: [evil, evil, evil],
        rows: [[evil, { text: evil, value: 1 }, { bars: [1], labels: [evil] }]],
      },
    ],
  };
  const found = renderReport(report);
  const own = (text: string, what: RegExp) => [...text.matchAll(what)].length;
  t.equal(own(found, /<script>/g), own(page, /<script>/g), 'no script but ours');
  t.equal(own(found, /<img /g), 5, 'no picture but ours');
  t.notMatch(found, /<[^>]*onerror=(?!alert\(2\)&gt;)/);
  t.notOk(found.includes('</script><script>alert'));
  t.ok(own(found, /&lt;\/script&gt;&lt;script&gt;alert\(1\)/g) > 40, 'they are there as text');
});

t.test('a report of nothing that was measured says so', async (t) => {
  const set = classSet('none', [['a', [0, 0, 0]]], []);
  const nothing = {
    ...{
      images: 0,
      loss: null,
      mIoU: null,
      perImageIoU: null,
      pixelAccuracy: null,
      seconds: 0.1,
      imagesPerSecond: 0,
    },
    imageIou: [],
    classes: [{ index: 0, name: 'a', iou: null, truthPixels: 0 }],
    confusion: [[0]],
  };
  const empty = renderReport({
    ...{ title: 'Empty', lead: '', made: '' },
    sections: [
      {
        kind: 'curves',
        title: 'Curves',
        charts: [{ title: 'Loss', x: 'epoch', unit: 'number', series: [{ name: 'a', points: [[1, null]] }] }],
      },
      ...evaluationSections([{ name: 'it', evaluation: nothing }], set),
      await examplesSection({ title: 'Examples' }, [], null),
      { kind: 'table', title: 'Table', columns: ['A'], rows: [] },
    ],
  });
  for (const text of ['No values.', 'All labelled pixels are correct.', '<dd>–</dd>'])
    t.ok(empty.includes(text), text);
  for (const each of [empty, page]) {
    const own = each.replace(/<(script|style)>.*?<\/\1>/gs, '').replace(/data:[^"]*/g, '');
    t.notMatch(own, /NaN|undefined|Infinity/);
  }
});

t.test('several evaluations stand side by side, with the change from first to last', async (t) => {
  const set = classSet(
    'two',
    [
      ['a', [0, 0, 0]],
      ['b', [1, 1, 1]],
      ['c', [2, 2, 2]],
    ],
    [],
  );
  const half = {
    ...madeUpEvaluation(set),
    classes: [0.5, 0.25, null].map((iou, index) => ({ index, name: '', iou, truthPixels: 1 })),
  };
  const whole = {
    ...half,
    classes: [1, 0.125, null].map((iou, index) => ({ index, name: '', iou, truthPixels: 1 })),
  };
  const sections = evaluationSections(
    [
      { name: 'before', evaluation: half },
      { name: 'after', evaluation: whole },
    ],
    set,
  );
  t.same(
    sections.map(({ title }) => title),
    ['Figures, before', 'Figures, after', 'Classes', 'Confusions, after'],
  );
  const text = renderReport({ title: '', lead: '', made: '', sections });
  for (const each of ['IoU before', 'IoU after', '+50.0', '−12.5']) t.ok(text.includes(each), each);
});

t.test('a report that cannot be written is an error of its own and leaves nothing', async (t) => {
  const root = t.testdir();
  const taken = join(root, 'report.html');
  mkdirSync(join(taken, 'below'), { recursive: true });
  const report = await madeUpReport();
  await t.rejects(writeReport(taken, report), { code: 'IO' });
  t.match(await attemptReport(taken, async () => report), {
    report: null,
    reportError: {
      name: 'DinoSegError',
      code: 'IO',
      message: /report\.html could not be written; the results are complete/,
    },
  });
  const broken = await attemptReport(join(root, 'b.html'), async () => {
    throw new TypeError('of our own making');
  });
  t.match(broken, { report: null, reportError: { code: 'INTERNAL', message: /of our own making/ } });
  t.same(readdirSync(root), ['report.html']);
  const good = await attemptReport(join(root, 'new/c.html'), async () => report);
  t.same(good, { report: join(root, 'new/c.html') });
  t.equal(readFileSync(join(root, 'new/c.html'), 'utf8'), page);
});
