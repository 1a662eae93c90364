/** The letters of pictures: they need no fonts, and there is something to see for every text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { renderSvg, type RgbImage } from '../../lib/data/decode.js';
import { glyphs, marks } from '../../lib/report/alphabet.js';
import { endThatFits, textPath, textWidth, type TextPlace } from '../../lib/report/text-path.js';

const box = '漢';
const drawn = (text: string) => / d="([^"]*)"/.exec(textPath(text, { x: 0, y: 20, size: 22 }))![1]!;

async function picture(text: string, place: TextPlace): Promise<RgbImage> {
  const ground = '<rect width="200" height="60" fill="#fff"/>';
  const size = 'width="200" height="60"';
  return renderSvg(`<svg xmlns="http://www.w3.org/2000/svg" ${size}>${ground}${textPath(text, place)}</svg>`);
}

/** Columns and rows that have something dark. */
function inkOf({ data, width, height }: RgbImage): Record<'left' | 'right' | 'top' | 'bottom', number> {
  const ink = { left: width, right: -1, top: height, bottom: -1 };
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (data[3 * (y * width + x)]! < 200) {
        ink.left = Math.min(ink.left, x);
        ink.right = Math.max(ink.right, x);
        ink.top = Math.min(ink.top, y);
        ink.bottom = Math.max(ink.bottom, y);
      }
  return ink;
}

t.test('each printable character of ASCII has a glyph of its own', async (t) => {
  const characters = Array.from({ length: 126 - 32 }, (_, i) => String.fromCharCode(33 + i));
  const paths = new Set(characters.map(drawn));
  t.equal(paths.size, characters.length);
  t.notOk(paths.has(drawn(box)));
  t.equal(drawn(' '), '');
});

t.test('glyphs and marks are lines between points', async (t) => {
  const strokes = /^(~?-?[\d.]+,-?[\d.]+ )+(~?-?[\d.]+,-?[\d.]+|z)$/;
  const texts = [...Object.values(glyphs), ...Object.values(marks).map((mark) => mark.strokes)];
  const all = texts.flatMap((text) => text.split(' / '));
  t.same(
    all.filter((stroke) => !strokes.test(stroke)),
    [],
  );
  const open = all.filter((stroke) => !stroke.endsWith('z'));
  t.same(
    open.filter((stroke) => /^~| ~\S+$/.test(stroke)),
    [],
    'an end has no corner to round',
  );
  t.notMatch(drawn(Object.keys(glyphs).join('')), 'NaN');
});

t.test('letters with marks are the letter and the mark, however they are encoded', async (t) => {
  for (const [text, letter] of [
    ['é', 'e'],
    ['Ž', 'Z'],
    ['ç', 'c'],
  ] as const) {
    t.ok(drawn(text).startsWith(drawn(letter)) && drawn(text) !== drawn(letter), text);
    t.equal(drawn(text.normalize('NFD')), drawn(text.normalize('NFC')));
    t.equal(textWidth(text, 22), textWidth(letter, 22));
  }
  t.ok(drawn('í').startsWith(drawn('ı')), 'a mark takes the place of the dot');
});

t.test('what has no glyph is a box to see', async (t) => {
  for (const text of ['漢', 'ж', 'अ', '🛺', '\u{1}', '\uD800', '\uFFFF'])
    t.equal(drawn(text), drawn(box), text);
  t.equal(drawn('\u0301'), '', 'a mark on nothing');
  t.equal(drawn('\u200d'), '');
  for (const text of ['漢 <&"> \u{1}\uD800\uFFFF', '🛺 अंग', ''])
    await t.resolves(picture(text, { x: 1, y: 40, size: 12 }));
  t.match(textPath('<b> & "c"', { x: 0, y: 0, size: 12 }), 'aria-label="&lt;b> &amp; &quot;c&quot;"');
});

t.test('a text covers the width it is said to have, from its anchor', async (t) => {
  const text = 'Mount Hay 90 %';
  for (const size of [10, 13, 20]) {
    const width = textWidth(text, size);
    for (const [anchor, left] of [
      ['start', 100],
      ['middle', 100 - width / 2],
      ['end', 100 - width],
    ] as const) {
      const x = anchor === 'start' ? 20 : anchor === 'middle' ? 100 : 180;
      const ink = inkOf(await picture(text, { x, y: 40, size, anchor }));
      const expected = left + (x - 100);
      t.ok(Math.abs(ink.left - expected) <= 1.2, `${anchor} ${size}: left edge ${ink.left}, not ${expected}`);
      t.ok(Math.abs(ink.right + 1 - expected - width) <= 1.2, `${anchor} ${size}: right edge ${ink.right}`);
    }
  }
});

t.test('horizontal strokes are sharp: letters begin and end with whole pixels', async (t) => {
  for (const size of [11, 16, 22]) {
    const image = await picture('EEE', { x: 10, y: 40.3, size, color: '#000' });
    const { top, bottom } = inkOf(image);
    t.equal(bottom, 39, 'they stand on the baseline');
    const darkest = (y: number) =>
      Math.min(...Array.from({ length: 200 }, (_, x) => image.data[3 * (y * 200 + x)]!));
    for (const y of [top, bottom]) t.ok(darkest(y) < 30, `size ${size}, row ${y}: ${darkest(y)}`);
    for (const y of [top - 1, bottom + 1]) t.ok(darkest(y) > 230, `size ${size}, row ${y}: ${darkest(y)}`);
  }
});

t.test('of a text that is too long the end is kept', async (t) => {
  const text = 'val frames/a/long/name.png';
  t.equal(endThatFits(text, 13, 1000), text);
  const short = endThatFits(text, 13, 100);
  t.ok(short.startsWith('…') && text.endsWith(short.slice(1)) && short.length > 8, short);
  t.ok(textWidth(short, 13) <= 100);
  t.equal(endThatFits(text, 13, 1), '…');
});

t.test('no picture asks for a font', async (t) => {
  const lib = join(import.meta.dirname, '../../lib');
  // What browsers show has theirs.
  const sources = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith(join('report', 'html')),
  );
  t.ok(sources.length > 100);
  const asking = sources.filter((name) =>
    /<text[ $>]|font-family=|\btext: \{/.test(readFileSync(join(lib, name), 'utf8')),
  );
  t.same(asking, []);
});
