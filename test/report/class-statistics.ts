import t from 'tap';
import { parseClassFile } from '../../lib/data/class-file.js';
import { classPercentages, classStatistics, countPixels } from '../../lib/report/class-statistics.js';

const set = parseClassFile(
  { name: 'three', classes: [{ name: 'road' }, { name: 'traffic sign' }, { name: 'sky' }] },
  'three',
);

t.test('pixels and percent of every class stand in columns, with a total', async (t) => {
  const map = new Uint8Array(1000).fill(2);
  map.fill(0, 0, 250);
  t.equal(
    classStatistics(map, set),
    [
      'index  class         pixels  percent',
      '------------------------------------',
      '    0  road             250    25.00',
      '    1  traffic sign       0     0.00',
      '    2  sky              750    75.00',
      '------------------------------------',
      '       total           1000   100.00',
      '',
    ].join('\n'),
  );
});

t.test('pixels without a class get a line of their own', async (t) => {
  const map = new Uint8Array([0, 0, 255, 1]);
  t.match(classStatistics(map, set), / 255 {2}\(no class\) +1 +25\.00/);
  t.same(countPixels(map, set), { counts: [2, 1, 0], ignored: 1 });
});

t.test('percentages are of all pixels, with every class by its index', async (t) => {
  const shares = classPercentages(new Uint8Array([2, 2, 255, 0]), set);
  t.same(
    shares.map(({ index, name, pixels, percent }) => [index, name, pixels, percent]),
    [
      [0, 'road', 1, 25],
      [1, 'traffic sign', 0, 0],
      [2, 'sky', 2, 50],
    ],
  );
  t.same(shares[1]!.color, set.classes[1]!.color);
});

t.test('an empty map has 0 percent of everything', async (t) => {
  t.same(
    classPercentages(new Uint8Array(0), set).map(({ percent }) => percent),
    [0, 0, 0],
  );
});
