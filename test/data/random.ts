import t from 'tap';
import { random, shuffle } from '../../lib/data/random.js';

t.test('a stream gives the same numbers for the same seed and ids', async (t) => {
  const draw = (...ids: [number, ...number[]]): number[] => {
    const stream = random(...ids);
    return Array.from({ length: 5 }, () => stream.uint32());
  };
  t.same(draw(7, 1, 2), draw(7, 1, 2));
  const others: [number, ...number[]][] = [
    [8, 1, 2],
    [7, 2, 1],
    [7, 1],
    [7, 1, 2, 0],
    [7 + 2 ** 32, 1, 2],
    [-7, 1, 2],
  ];
  for (const ids of others) t.notSame(draw(...ids), draw(7, 1, 2), `ids ${ids.join(', ')} differ`);
});

t.test('the numbers stay what they were in earlier versions, or resumed runs would change', async (t) => {
  const stream = random(1, 2, 3);
  t.same([stream.uint32(), stream.uint32(), stream.uint32()], [3177292363, 3409494196, 1998361983]);
});

t.test('a stream goes on from the place that it is given', async (t) => {
  const stream = random(1, 2, 3);
  stream.float();
  t.equal(stream.position, 2);
  const next = stream.uint32();
  const other = random(1, 2, 3);
  other.position = 2;
  t.equal(other.uint32(), next);
});

t.test('uniform numbers fill their range evenly', async (t) => {
  const stream = random(3);
  const bins = new Array<number>(16).fill(0);
  let sum = 0;
  for (let i = 0; i < 160_000; i++) {
    const value = stream.float();
    sum += value;
    bins[Math.floor(value * 16)]!++;
  }
  t.ok(Math.abs(sum / 160_000 - 0.5) < 0.003, `mean ${sum / 160_000}`);
  const chiSquare = bins.reduce((total, count) => total + (count - 10_000) ** 2 / 10_000, 0);
  t.ok(chiSquare < 37.7, `chi² of 16 bins is ${chiSquare.toFixed(1)}, below the 0.1 % bound`);
});

t.test('streams with neighbouring ids are not correlated', async (t) => {
  let product = 0;
  const n = 40_000;
  for (let id = 0; id < n; id++) product += (random(5, id).float() - 0.5) * (random(5, id + 1).float() - 0.5);
  const correlation = (12 * product) / n;
  t.ok(Math.abs(correlation) < 0.02, `correlation ${correlation.toFixed(4)}`);
});

t.test('normal numbers have mean 0 and variance 1', async (t) => {
  const stream = random(11);
  let sum = 0;
  let squares = 0;
  const n = 100_000;
  for (let i = 0; i < n; i++) {
    const value = stream.normal();
    sum += value;
    squares += value * value;
  }
  t.ok(Math.abs(sum / n) < 0.015 && Math.abs(squares / n - 1) < 0.02, `${sum / n}, ${squares / n}`);
});

t.test('a shuffle is a permutation that depends on seed and epoch only', async (t) => {
  const order = shuffle(100, 1, 2);
  t.same(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  );
  t.same(order, shuffle(100, 1, 2));
  t.notSame(order, shuffle(100, 1, 3));
  t.notSame(order, shuffle(100, 2, 2));
  t.same(shuffle(0, 1, 1), []);
  t.same(shuffle(1, 1, 1), [0]);
});

t.test('every place is as likely for every item', async (t) => {
  const counts = new Array<number>(25).fill(0);
  for (let epoch = 0; epoch < 10_000; epoch++)
    shuffle(5, 9, epoch).forEach((item, place) => counts[item * 5 + place]!++);
  const worst = Math.max(...counts.map((count) => Math.abs(count - 2000)));
  t.ok(worst < 160, `the worst of 25 counts is ${worst} away from 2000`);
});
