/** Charts in a browser: every label is whole and can be told from the others. */
import { join } from 'node:path';
import t from 'tap';
import { writeReport } from '../../lib/report/html/page.js';
import type { Chart } from '../../lib/report/html/report.js';
import { launchChromium, openFile, skipWithoutChromium } from '../helpers/chromium.js';

const chart = (title: string, unit: Chart['unit'], points: Chart['series'][number]['points']): Chart => ({
  ...{ title, unit, x: 'epoch', mark: { x: points[0]![0], label: 'best' } },
  series: [{ name: title, points }],
});
/** Over epochs 1, 2, …. */
const over = (title: string, unit: Chart['unit'], ...ys: number[]): Chart =>
  chart(
    title,
    unit,
    ys.map((y, i) => [i + 1, y]),
  );
const charts = [
  over('learning rate of the recipe', 'number', 1e-4, 9.7e-5, 6e-5, 2e-5, 1e-7),
  over('tiny', 'number', 0.00000123, 0.00000456),
  over('tiny differences', 'number', 3.14159, 3.1416),
  over('large', 'number', 12345, 67890),
  over('larger', 'number', 1234567, 1234599),
  over('of both signs', 'number', -0.0213, 0.0012),
  over('equal and small', 'number', 1e-4, 1e-4, 1e-4),
  over('equal and large', 'number', 12345, 12345),
  over('all nothing', 'number', 0, 0),
  over('one epoch', 'number', 0.7),
  over('shares', 'share', 0.12, 0.5, 1),
  over('shares near nothing', 'share', 0.00001, 0.00002),
  chart('many epochs', 'number', [
    [1, 0.1],
    [99_999, 0.2],
  ]),
  chart('a tick at the right edge', 'number', [
    [0, 0.1],
    [100_000, 0.2],
  ]),
  chart('steps', 'number', [
    [1_000_000, 0.1],
    [123_456_789, 0.2],
  ]),
];

const file = join(t.testdir(), 'charts.html');
await writeReport(file, {
  ...{ title: 'Charts', lead: '', made: '' },
  sections: [{ kind: 'curves', title: 'Curves', charts }],
});

interface Label {
  text: string;
  anchor: string;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const measure = `[...document.querySelectorAll('.chart > svg')].map((svg) => {
  const { width, height } = svg.viewBox.baseVal;
  const labels = [...svg.querySelectorAll('text')].map((text) => {
    const box = text.getBBox();
    return { text: text.textContent, anchor: text.getAttribute('text-anchor'), left: box.x, right: box.x + box.width,
      top: box.y, bottom: box.y + box.height };
  });
  const lines = [...svg.querySelectorAll('.series circle')].map((circle) => Number(circle.getAttribute('cy')));
  return { width, height, labels, lines };
})`;

t.test(
  'labels of axes lie within their chart, whatever is drawn',
  { skip: skipWithoutChromium },
  async (t) => {
    const browser = await launchChromium();
    t.teardown(() => browser.close());
    const { page } = await openFile(browser, file);
    const found = (await page.evaluate(measure)) as {
      width: number;
      height: number;
      labels: Label[];
      lines: number[];
    }[];
    t.equal(found.length, charts.length);
    for (const [i, { width, height, labels, lines }] of found.entries()) {
      const { title } = charts[i]!;
      const outside = labels.filter(
        ({ left, right, top, bottom }) => left < 0 || top < 0 || right > width || bottom > height,
      );
      t.same(outside, [], `${title}: none is cut`);
      const along = labels.filter(({ anchor }) => anchor === 'end').map(({ text }) => text);
      t.ok(along.length >= 2, `${title}: ${along.join(', ')}`);
      t.equal(new Set(along).size, along.length, `${title}: no two labels are alike: ${along.join(', ')}`);
      const below = labels.filter(({ anchor, bottom }) => anchor === 'middle' && bottom > height - 40);
      const ticks = below.slice(0, -1);
      const near = ticks.filter((tick, k) => k > 0 && tick.left <= ticks[k - 1]!.right);
      t.same(near, [], `${title}: none touches its neighbour`);
      t.ok(
        lines.every((y) => y >= 24 && y <= height - 40),
        `${title}: points lie between the axes`,
      );
    }
  },
);
