/** Tables in a browser: all of their rows are seen, or a sign says how many are not. */
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import t from 'tap';
import { writeReport } from '../../lib/report/html/page.js';
import { launchChromium, openFile, skipWithoutChromium, untilDrawn } from '../helpers/chromium.js';
import { madeUpReport } from '../helpers/report.js';

const root = t.testdir();
const file = join(root, 'report.html');
const many = join(root, 'many.html');
await writeReport(file, await madeUpReport());
await writeReport(many, await madeUpReport('ade150'));
const options = { skip: skipWithoutChromium };
const browser = skipWithoutChromium === false ? await launchChromium() : undefined;
t.teardown(() => browser?.close());

/** Rows of the table of classes that lie in its box, and what is said of the others. */
async function tableOf(page: Page) {
  const [rows, seen, sign] = (await page.evaluate(`(() => {
    const box = document.querySelector('.classes-section .scroll');
    const area = box.getBoundingClientRect();
    const rows = [...box.querySelectorAll('tbody tr')];
    const seen = rows.filter((row) => row.getBoundingClientRect().bottom <= area.bottom + 2);
    const sign = document.querySelector('.classes-section .more');
    return [rows.length, seen.length, sign && !sign.hidden ? sign.textContent : null];
  })()`)) as [number, number, string | null];
  return { rows, seen, sign };
}

t.test('a table of 26 classes shows all of them', options, async (t) => {
  for (const script of [true, false]) {
    const { page, messages } = await openFile(browser!, file, { script });
    if (script) await untilDrawn(page);
    t.same(await tableOf(page), { rows: 26, seen: 26, sign: null }, script ? 'with scripts' : 'without');
    t.same(messages, []);
    await page.close();
  }
});

t.test('columns beyond the edge of a phone are told, until they are scrolled to', options, async (t) => {
  const { page } = await openFile(browser!, file, { width: 360, height: 740 });
  await untilDrawn(page);
  const before = await tableOf(page);
  t.same([before.rows, before.seen], [26, 26]);
  t.match(before.sign, /^Scroll the table: \d more columns? to the right →$/);
  await page.$eval('.classes-section .scroll', (box) => {
    box.scrollLeft = box.scrollWidth;
  });
  await untilDrawn(page);
  t.equal((await tableOf(page)).sign, '\u00a0');
  await page.close();
});

t.test('a table of 150 classes scrolls and says how many rows are not seen', options, async (t) => {
  const { page, messages } = await openFile(browser!, many);
  await untilDrawn(page);
  const { rows, seen, sign } = await tableOf(page);
  t.ok(rows === 150 && seen > 10 && seen < 40, `${seen} of ${rows}`);
  t.equal(sign, `Scroll the table: ${rows - seen} more rows below ↓`);
  await page.$eval('.classes-section .scroll', (box) => {
    box.scrollTop = box.scrollHeight;
  });
  await untilDrawn(page);
  t.match((await tableOf(page)).sign, /^Scroll the table: 1\d\d more rows above ↑$/);
  await page.type('.classes-section .filter input', 'door');
  await untilDrawn(page);
  t.equal((await tableOf(page)).sign, null);
  t.same(messages, []);
  await page.close();
});
