/** What a report shows before anything is scrolled, and the order of its images. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { examplesSection, type ExampleInput } from '../../lib/report/html/example.js';
import { writeReport } from '../../lib/report/html/page.js';
import type { Report } from '../../lib/report/html/report.js';
import { launchChromium, openFile, skipWithoutChromium } from '../helpers/chromium.js';
import { madeUpExamples } from '../helpers/report.js';

const file = join(t.testdir(), 'report.html');
const ious: Record<string, number | null> = { best: 0.9, worst: 0.125, none: null, middling: 0.5 };
const [made] = madeUpExamples();
const [prediction, truth] = made!.maps!;
const maps = [prediction!, { ...prediction!, name: 'another prediction with a long name' }, truth!];
const given = Object.entries(ious).map(([name, iou]): ExampleInput => ({ ...made!, name, iou, maps }));
const heading = { title: 'Examples', note: 'All of them.', order: 'lowest' } as const;
const figure = (label: string) => ({ label, value: '52.3 %', note: '50.1 % to 54.9 %' });
const report: Report = {
  title: 'A report with a title',
  lead: 'A sentence that says what was done, on which of the images, and what the figures below can be taken for and what not.',
  made: 'never',
  sections: [
    {
      kind: 'figures',
      title: 'Result on unseen images',
      note: 'Means of 3 runs.',
      figures: ['Trained head', 'Mapped start', 'Random start', 'Linear probe'].map(figure),
    },
    await examplesSection(heading, given, await loadClassSet('idd26')),
    ...Array.from({ length: 8 }, (_, i) => ({
      ...{ kind: 'properties' as const, title: `A section with settings ${i}` },
      groups: [{ title: 'Group', rows: [['name', 'value']] as [string, string][] }],
    })),
  ],
};
await writeReport(file, report);

const options = { skip: skipWithoutChromium };
const browser = skipWithoutChromium === false ? await launchChromium() : undefined;
t.teardown(() => browser?.close());
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ready = '.examples[data-ready="true"]';

/** Upper and lower edge of what matches first, pixels from the top of the window. */
const edges = (page: Page, selector: string) =>
  page.$eval(selector, (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return { top, bottom };
  });

for (const scheme of ['light', 'dark'])
  t.test(
    `a desktop shows title, figures and a whole picture with its slider at once, ${scheme}`,
    options,
    async (t) => {
      const { page, messages } = await openFile(browser!, file, { scheme });
      await page.waitForSelector(ready);
      for (const selector of [
        'h1',
        'header p',
        '.figures div:last-child',
        '.stage',
        '.slide input',
        '.choices',
      ]) {
        const { top, bottom } = await edges(page, selector);
        t.ok(top >= 0 && bottom <= 900, `${selector}: ${top} to ${bottom}`);
      }
      const { top, bottom } = await edges(page, '.stage');
      t.ok(bottom - top > 300, 'the picture is large');
      t.same(messages, []);
      await page.close();
    },
  );

for (const scheme of ['light', 'dark'])
  t.test(`a phone shows title, figures and the picture, ${scheme}`, options, async (t) => {
    const { page } = await openFile(browser!, file, { width: 360, height: 740, scheme });
    await page.waitForSelector(ready);
    for (const selector of ['h1', 'header p', '.figures div:last-child', '.stage']) {
      const { top, bottom } = await edges(page, selector);
      t.ok(top >= 0 && bottom <= 740, `${selector}: ${top} to ${bottom}`);
    }
    const tops = await page.$$eval('.choices select', (all) =>
      all.map((each) => each.getBoundingClientRect().top),
    );
    t.equal(tops[0], tops[1], 'left and right are chosen on one line');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    t.ok(Number(overflow) <= 0, `${overflow} pixels too wide`);
    await page.evaluate(axe);
    const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
      violations: { id: string; nodes: { html: string }[] }[];
    };
    t.same(
      found.violations.map(({ id, nodes }) => [id, nodes[0]!.html]),
      [],
    );
    await page.close();
  });

t.test('without scripts the pictures begin on the first screen, too', options, async (t) => {
  const { page } = await openFile(browser!, file, { script: false });
  const pictures = await page.$$('.pictures img');
  const { y, height } = (await pictures[1]!.boundingBox())!;
  t.ok(y + height < 900, `the second ends at ${y + height}`);
  await page.close();
});

t.test('images are sorted by IoU, the lowest or the highest first', options, async (t) => {
  const { page, messages } = await openFile(browser!, file);
  await page.waitForSelector(ready);
  const shown = () => page.$eval('.viewer h3', ({ textContent }) => textContent);
  const thumbnails = () =>
    page.$$eval('.thumbnails button', (all) => all.map(({ textContent }) => textContent));
  t.equal(await shown(), 'worst');
  t.same(await thumbnails(), ['IoU 13 %', 'IoU 50 %', 'IoU 90 %', '']);
  t.match(
    await page.$eval('.viewer .caption', ({ textContent }) => textContent),
    /^prediction: IoU 12\.5 %, /,
  );
  await page.select('.order select', 'highest');
  await page.waitForFunction("document.querySelector('.viewer h3').textContent === 'best'");
  t.same(await thumbnails(), ['IoU 90 %', 'IoU 50 %', 'IoU 13 %', '']);
  t.same(messages, []);
  await page.close();
});
