import t from 'tap';
import { annotationSvg } from '../../lib/features/annotation.js';

const size = { width: 360, height: 400 };
const person = { width: 20, height: 90, score: 0.734, label: 1, name: 'person' };
const shares = [12.34, 50, 3, 8, 9, 1].map((percent, i) => ({ name: `class ${i}`, percent }));

/** Left edge and width of what is behind each text, in the order drawn. */
function labelsOf(svg: string): { x: number; width: number; text: string }[] {
  const pattern =
    /<rect x="([\d.-]+)" y="[\d.-]+" width="([\d.]+)"[^>]*fill="#000"[^>]*\/><path aria-label="([^"]*)"/g;
  return [...svg.matchAll(pattern)].map(([, x, width, text]) => ({
    x: Number(x),
    width: Number(width),
    text: text!,
  }));
}

t.test('the five largest percentages are listed, the largest first', async (t) => {
  const texts = labelsOf(annotationSvg(size, shares, [])).map(({ text }) => text);
  t.same(texts, ['50.0 % class 1', '12.3 % class 0', '9.0 % class 4', '8.0 % class 3', '3.0 % class 2']);
});

t.test('the name of an object stays within the picture, also at its right edge', async (t) => {
  const objects = [10, 338].map((x) => ({ ...person, x, y: 0 }));
  const labels = labelsOf(annotationSvg(size, [], objects));
  t.same(
    labels.map(({ text }) => text),
    ['person 0.73', 'person 0.73'],
  );
  t.equal(labels[0]!.x, 10, 'at its box where there is room');
  t.ok(labels[1]!.x < 338 && labels[1]!.x + labels[1]!.width <= size.width);
});

t.test('names are escaped', async (t) => {
  const svg = annotationSvg(size, [{ name: '<b>&', percent: 1 }], []);
  t.match(svg, '1.0 % &lt;b>&amp;');
});
