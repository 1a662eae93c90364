/** Class maps as PNG, examples, ticks, confusions. */
import t from 'tap';
import { classSet } from '../../../lib/data/class-set.js';
import { loadClassSet } from '../../../lib/data/class-sets.js';
import { decodeImage, decodeLabel } from '../../../lib/data/decode.js';
import { topConfusions } from '../../../lib/report/html/confusion.js';
import { spread } from '../../../lib/data/preview.js';
import { examplesSection } from '../../../lib/report/html/example.js';
import { duration, figure, percent } from '../../../lib/report/html/format.js';
import { indexedPng } from '../../../lib/report/html/indexed-png.js';
import { niceTicks, tickLabels } from '../../../lib/report/html/ticks.js';

t.test('a class map is read back index by index, and in the colours of its classes', async (t) => {
  const { classes } = await loadClassSet('ade150');
  const map = Uint8Array.from({ length: 31 * 17 }, (_, i) => (i % 29 === 3 ? 255 : (i * 7) % 150));
  const png = indexedPng(map, 31, 17, classes);
  const label = await decodeLabel(png);
  t.same([label.width, label.height], [31, 17]);
  t.same([...label.data], [...map]);
  const { data } = await decodeImage(png);
  for (const [i, index] of map.entries())
    if (index !== 255 && `${data.subarray(3 * i, 3 * i + 3)}` !== `${classes[index]!.color}`)
      t.fail(`pixel ${i}`);
  t.throws(() => indexedPng(map, 30, 17, classes), { code: 'SHAPE', message: /needs 510 values, not 527/ });
});

t.test('examples are made small, their maps by the nearest pixel', async (t) => {
  const set = classSet(
    'two',
    [
      ['a', [0, 0, 0]],
      ['b', [200, 9, 9]],
      ['unused', [5, 5, 5]],
    ],
    [],
  );
  const [width, height] = [1600, 900];
  const image = { data: new Uint8Array(width * height * 3), width, height };
  const map = {
    role: 'prediction',
    data: Uint8Array.from({ length: 80 * 45 }, (_, i) => Number(i % 80 >= 20)),
    width: 80,
    height: 45,
  } as const;
  const { examples, classes } = await examplesSection(
    { title: 'x' },
    [{ name: 'large', image, maps: [map] }],
    set,
  );
  t.same(
    classes.map(({ name }) => name),
    ['a', 'b'],
    'classes that occur',
  );
  const [example] = examples;
  t.same([example!.width, example!.height], [640, 360]);
  const [photo, prediction] = example!.layers;
  t.match(photo!.source, /^data:image\/webp;base64,/);
  const bytes = (source: string) => Buffer.from(source.split(',')[1]!, 'base64');
  const decoded = await decodeImage(bytes(photo!.source));
  t.same([decoded.width, decoded.height], [640, 360]);
  const { data } = await decodeLabel(bytes(prediction!.source));
  t.same(
    [...data],
    Array.from({ length: 640 * 360 }, (_, i) => Number(i % 640 >= 160)),
  );
  t.equal(prediction!.alt, 'prediction for large: b 75 %, a 25 %.');
  const wrong = examplesSection({ title: 'x' }, [{ name: 'w', image, maps: [{ ...map, width: 81 }] }], set);
  await t.rejects(wrong, { code: 'SHAPE' });
});

t.test('places are spread evenly', async (t) => {
  t.same(spread(10, 4), [0, 2, 5, 7]);
  t.same(spread(3, 8), [0, 1, 2]);
  t.same(spread(0, 8), []);
});

t.test('ticks are numbers to count by and enclose the values', async (t) => {
  t.same(niceTicks(0, 0.57, 5), [0, 0.2, 0.4, 0.6]);
  t.same(niceTicks(1, 20, 6, 1), [0, 5, 10, 15, 20]);
  t.same(niceTicks(1, 3, 6, 1), [1, 2, 3]);
  t.same(niceTicks(0, 0, 5), [0, 0.2]);
  t.same(niceTicks(-1.3, 2.1, 5), [-2, -1, 0, 1, 2, 3]);
  for (const [least, most] of [
    [3.14159, 3.1416],
    [1e-9, 2e-9],
    [-5, -5],
    [1e6, 9e6],
  ] as const) {
    const ticks = niceTicks(least, most, 5);
    t.ok(
      ticks.length >= 2 && ticks.length < 12 && ticks[0]! <= least && ticks.at(-1)! >= most,
      `${least}…${most}: ${ticks}`,
    );
  }
});

t.test('confusions are listed by the pixels that they cost', async (t) => {
  const { classes } = classSet(
    'three',
    [
      ['a', [0, 0, 0]],
      ['b', [1, 1, 1]],
      ['c', [2, 2, 2]],
    ],
    [],
  );
  const counts = [
    [90, 10, 0],
    [0, 0, 0],
    [30, 5, 65],
  ];
  const found = topConfusions({ kind: 'confusion', title: '', classes, counts });
  t.same(
    found.map(({ truth, predicted, pixels, share }) => [truth.name, predicted.name, pixels, share]),
    [
      ['c', 'a', 30, 0.3],
      ['a', 'b', 10, 0.1],
      ['c', 'b', 5, 0.05],
    ],
  );
});

t.test('figures are short', async (t) => {
  t.same([percent(0.12345), percent(null), percent(0.5, 0)], ['12.3 %', '–', '50 %']);
  t.same(
    [figure(0), figure(null), figure(1.23456), figure(0.00001), figure(1234567)],
    ['0', '–', '1.235', '1.00e-5', '1.23e+6'],
  );
  t.same(
    [duration(0.42), duration(42), duration(187), duration(8100)],
    ['0.4 s', '42 s', '3 min 7 s', '2 h 15 min'],
  );
});

t.test('labels of ticks have the digits that tell them apart, and no more', async (t) => {
  const labels = (least: number, most: number, unit: 'share' | 'number' = 'number') =>
    tickLabels(niceTicks(least, most, 5), unit);
  t.same(labels(0, 1e-4), ['0', '2e-5', '4e-5', '6e-5', '8e-5', '1e-4']);
  t.same(labels(1.2e-6, 2.1e-6), ['1.2e-6', '1.4e-6', '1.6e-6', '1.8e-6', '2e-6', '2.2e-6']);
  t.same(labels(0, 0.57), ['0', '0.2', '0.4', '0.6']);
  t.same(labels(12345, 31000), ['10,000', '15,000', '20,000', '25,000', '30,000', '35,000']);
  t.same(labels(0, 2.4e6), ['0', '5e5', '1e6', '1.5e6', '2e6', '2.5e6']);
  t.same(labels(3.14159, 3.1416).slice(0, 2), ['3.141590', '3.141592']);
  t.same(labels(0, 0.9, 'share'), ['0 %', '20 %', '40 %', '60 %', '80 %', '100 %']);
  t.same(labels(0, 0.0009, 'share'), ['0.00 %', '0.02 %', '0.04 %', '0.06 %', '0.08 %', '0.10 %']);
});
