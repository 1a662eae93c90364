/** Reports in a browser: nothing is asked for, nothing fails, and what can be moved moves. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import t, { type Test } from 'tap';
import { decodeImage } from '../../lib/data/decode.js';
import { writeReport } from '../../lib/report/html/page.js';
import { launchChromium, openFile, skipWithoutChromium } from '../helpers/chromium.js';
import { madeUpReport } from '../helpers/report.js';

const root = t.testdir();
const file = join(root, 'report.html');
const many = join(root, 'many.html');
await writeReport(file, await madeUpReport());
await writeReport(many, await madeUpReport('ade150'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const options = { skip: skipWithoutChromium };
const browser = skipWithoutChromium === false ? await launchChromium() : undefined;
t.teardown(() => browser?.close());

const ready = '.examples[data-ready="true"]';
/** Of idd26. */
const [road, parking] = [
  [128, 64, 128],
  [250, 170, 160],
] as const;

/** The colour of a place in the viewer's picture as it is on the screen; x and y 0…1. */
async function colorAt(page: Page, x: number, y: number): Promise<number[]> {
  const stage = (await page.$('.stage'))!;
  const { data, width, height } = await decodeImage(await stage.screenshot());
  const at = 3 * (Math.floor(y * height) * width + Math.floor(x * width));
  return [...data.subarray(at, at + 3)];
}

function sameColor(t: Test, found: readonly number[], expected: readonly number[], what: string): void {
  const apart = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)));
  t.ok(apart <= 3, `${what}: ${found.join(',')} for ${expected.join(',')}`);
}

/** Photo and prediction beside each other, classes without the photo shining through. */
async function openViewer() {
  const watched = await openFile(browser!, file);
  await watched.page.waitForSelector(ready);
  await watched.page.$eval('.opacity input', (input) => {
    input.value = '100';
    input.dispatchEvent(new Event('input'));
  });
  return watched;
}

const choose = (page: Page, side: 1 | 2, layer: string) =>
  page.select(`.choices label:nth-child(${side}) select`, layer);

t.test(
  'the slider is moved by the keyboard and by the mouse, and the picture with it',
  options,
  async (t) => {
    const { page, messages, requests } = await openViewer();
    sameColor(t, await colorAt(page, 0.25, 0.5), [128, 128, 128], 'left of the divider the photo');
    sameColor(t, await colorAt(page, 0.75, 0.5), parking, 'right of it the prediction');
    await page.focus('.slide input');
    await page.keyboard.press('Home');
    sameColor(t, await colorAt(page, 0.25, 0.5), road, 'at the left end all is prediction');
    const text = await page.$eval('.slide input', (input) => input.getAttribute('aria-valuetext'));
    t.equal(text, 'image 0 %, prediction 100 %');
    await page.keyboard.press('End');
    sameColor(t, await colorAt(page, 0.75, 0.5), [128, 128, 128], 'at the right end all is photo');
    await page.keyboard.press('ArrowLeft');
    t.equal(await page.$eval('.slide input', ({ value }) => value), '99');
    const { x, y, width, height } = (await (await page.$('.stage'))!.boundingBox())!;
    await page.mouse.move(x + 0.9 * width, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + 0.1 * width, y + height / 2, { steps: 3 });
    await page.mouse.up();
    sameColor(t, await colorAt(page, 0.25, 0.5), road, 'the mouse has taken the divider to the left');
    t.equal(await page.$eval('.slide input', ({ value }) => value), '10');
    t.match(
      await page.$eval('.viewer .readout', ({ textContent }) => textContent),
      'prediction: road · truth: road',
    );
    t.same([messages, requests], [[], []]);
    await page.close();
  },
);

t.test('truth and error are layers, unlabelled pixels are striped', options, async (t) => {
  const { page, messages } = await openViewer();
  const layers = await page.$$eval('.choices label:first-child option', (all) =>
    all.map(({ value }) => value),
  );
  t.same(layers, ['image', 'prediction', 'truth', 'error']);
  await choose(page, 1, 'truth');
  await choose(page, 2, 'error');
  sameColor(t, await colorAt(page, 0.25, 0.5), road, 'truth');
  sameColor(t, await colorAt(page, 0.25, 0.02), [128, 128, 128], 'truth without a label shows the photo');
  sameColor(t, await colorAt(page, 0.75, 0.5), [230, 30, 60], 'a wrong pixel');
  await page.focus('.slide input');
  await page.keyboard.press('Home');
  sameColor(t, await colorAt(page, 0.25, 0.5), [128, 128, 128], 'a right pixel');
  const label = await page.$eval('.stage', (stage) => stage.getAttribute('aria-label'));
  t.match(label, /^halves: truth on the left, error on the right\. truth for halves: road 90 %/);
  t.same(messages, []);
  await page.close();
});

t.test('classes are hidden and shown one by one and all together', options, async (t) => {
  const { page, messages } = await openViewer();
  const boxes = await page.$$('.toggles input');
  t.equal(boxes.length, 3, 'of the classes that occur');
  await boxes[1]!.click();
  sameColor(t, await colorAt(page, 0.75, 0.5), [128, 128, 128], 'parking is hidden');
  await boxes[1]!.focus();
  await page.keyboard.press('Space');
  sameColor(t, await colorAt(page, 0.75, 0.5), parking, 'and back, by the keyboard');
  const [all, none] = await page.$$('.toggles button');
  await none!.click();
  sameColor(t, await colorAt(page, 0.75, 0.5), [128, 128, 128], 'all are hidden');
  t.notOk(await page.$eval('.toggles input', ({ checked }) => checked));
  await all!.click();
  sameColor(t, await colorAt(page, 0.75, 0.5), parking, 'all are shown');
  t.same(messages, []);
  await page.close();
});

t.test('another image is chosen by its thumbnail and keeps the layers that it has', options, async (t) => {
  const { page, messages } = await openViewer();
  const [, other] = await page.$$('.thumbnails button');
  await other!.click();
  await page.waitForFunction("document.querySelector('.viewer h3').textContent === 'other'");
  sameColor(t, await colorAt(page, 0.25, 0.5), [40, 40, 40], 'its photo');
  sameColor(t, await colorAt(page, 0.75, 0.5), [244, 35, 232], 'its prediction');
  t.equal(await other!.evaluate((button) => button.getAttribute('aria-pressed')), 'true');
  t.same(messages, []);
  await page.close();
});

/** First cells of a table's rows that are shown. */
const firstCells = (page: Page, table: string) =>
  page.$$eval(`${table} tbody tr:not([hidden]) th`, (all) => all.map(({ textContent }) => textContent));

t.test('tables are sorted by number and by name, and filtered', options, async (t) => {
  const { page, messages } = await openFile(browser!, many);
  const before = await firstCells(page, '.classes');
  t.equal(before.length, 150);
  const iou = () =>
    page.$$eval('.classes tbody tr', (rows) => rows.map((row) => row.querySelector('td')!.dataset['sort']!));
  const heading = (column: number) => page.$(`.classes thead th:nth-child(${column}) button`);
  await (await heading(2))!.click();
  const down = await iou();
  const numbers = down.filter((value) => value !== '').map(Number);
  t.same(
    numbers,
    [...numbers].sort((a, b) => b - a),
    'largest first',
  );
  t.same(down.slice(-2), ['', ''], 'what was not measured comes last');
  t.equal(
    await page.$eval('.classes thead th:nth-child(2)', (th) => th.getAttribute('aria-sort')),
    'descending',
  );
  await (await heading(2))!.focus();
  await page.keyboard.press('Enter');
  const up = await iou();
  t.same(
    up.filter((value) => value !== '').map(Number),
    [...numbers].reverse(),
    'smallest first, by the keyboard',
  );
  t.same(up.slice(-2), ['', '']);
  await (await heading(1))!.click();
  const names = await firstCells(page, '.classes');
  t.same(
    names,
    [...before].sort((a, b) => a!.localeCompare(b!)),
  );
  await page.type('.classes-section .filter input', 'door');
  const left = await firstCells(page, '.classes');
  t.ok(left.includes('door') && left.every((name) => name!.includes('door')), left.join(', '));
  t.equal(await page.$eval('.classes-section output', ({ value }) => value), `${left.length} of 150`);
  t.same(messages, []);
  await page.close();
});

t.test('a cell of the confusion matrix is read out; that of 150 classes is folded', options, async (t) => {
  const { page, messages } = await openFile(browser!, file);
  await page.hover('.matrix tbody tr:nth-child(2) td:nth-child(3)');
  const text = await page.$eval('.confusion .readout', ({ textContent }) => textContent);
  t.match(text, /^\d+ % of the pixels labelled parking are correct\.$/);
  const large = await openFile(browser!, many);
  t.notOk(await large.page.$eval('.confusion details', ({ open }) => open));
  await (await large.page.$('.confusion summary'))!.click();
  t.equal(await large.page.$$eval('.matrix tbody tr', ({ length }) => length), 148);
  t.same([messages, large.messages], [[], []]);
  await page.close();
  await large.page.close();
});

/** Relative luminance of WCAG 2, section "relative luminance". */
function luminance(color: readonly number[]): number {
  const [r, g, b] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: readonly number[], b: readonly number[]): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
}

/** Colours of what matches first, and of the background that it stands on. */
async function colorsOf(page: Page, selector: string): Promise<[color: number[], background: number[]]> {
  return (await page.evaluate(`(() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const element = document.querySelector(${JSON.stringify(selector)});
    const background = (under) => {
      const found = numbers(getComputedStyle(under).backgroundColor);
      return found[3] === 0 && under.parentElement ? background(under.parentElement) : found;
    };
    return [numbers(getComputedStyle(element).color).slice(0, 3), background(element).slice(0, 3)];
  })()`)) as [number[], number[]];
}

t.test(
  'text stands out from its background in light and dark, as chosen by system or button',
  options,
  async (t) => {
    const texts = ['h1', 'header p', 'nav a', '.figures small', 'summary', 'th button', '.theme', '.note'];
    const backgrounds: number[][] = [];
    for (const scheme of ['light', 'dark']) {
      const { page } = await openFile(browser!, file, { scheme });
      for (const turn of ['system', 'button']) {
        for (const selector of [...texts, ...Array.from({ length: 9 }, (_, i) => `.matrix .h${i + 1}`)]) {
          if (!(await page.$(selector))) continue;
          const [color, background] = await colorsOf(page, selector);
          const ratio = contrast(color, background);
          t.ok(ratio >= 4.5, `${scheme} by ${turn}, ${selector}: ${ratio.toFixed(2)}`);
        }
        backgrounds.push([...(await colorsOf(page, 'body'))[1]]);
        await (await page.$('.theme'))!.click();
      }
      await page.close();
    }
    const [light, chosenDark, dark, chosenLight] = backgrounds;
    t.same([chosenDark, chosenLight], [dark, light]);
    t.ok(luminance(light!) > 0.9 && luminance(dark!) < 0.05, `${light} and ${dark}`);
  },
);

for (const [name, path] of [
  ['26 classes', file],
  ['150 classes', many],
] as const)
  for (const width of [360, 1600])
    t.test(
      `a report of ${name} fits a window of ${width} pixels and has no fault of accessibility`,
      options,
      async (t) => {
        const scheme = width === 360 ? 'dark' : 'light';
        const { page, messages, requests } = await openFile(browser!, path, { width, scheme });
        await page.waitForSelector(ready);
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        t.ok(Number(overflow) <= 0, `${overflow} pixels too wide`);
        await page.evaluate(axe);
        const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
          violations: { id: string; impact: string; nodes: { html: string }[] }[];
        };
        t.same(
          found.violations.map(({ id, impact, nodes }) => [id, impact, nodes[0]!.html]),
          [],
        );
        t.same([messages, requests], [[], []]);
        await page.close();
      },
    );

t.test('without scripts there are the pictures, the tables and the charts', options, async (t) => {
  const { page } = await openFile(browser!, file, { script: false });
  const pictures = (await page.$$('.pictures img')).length;
  t.equal(pictures, 5);
  const { height } = (await (await page.$('.pictures img'))!.boundingBox())!;
  t.ok(height > 50);
  t.equal((await page.$$('.classes tbody tr')).length, 26);
  t.equal((await page.$$('.chart > svg')).length, 2);
  await page.close();
});
