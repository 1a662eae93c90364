/** What the folders of predictions are called. */
import t from 'tap';
import { outputNames } from '../../lib/predict/output-names.js';

t.test('names that no file system takes are cut, and stay apart', async (t) => {
  const [long, other] = ['a', 'b'].map((end) => `/d/${'ü'.repeat(120)}${end}.png`);
  const names = outputNames([long!, other!, '/d/short.png']);
  for (const name of names) t.ok(Buffer.byteLength(name) <= 200, name);
  t.equal(new Set(names).size, 3);
  t.match(names[0], /^ü{90,}-[0-9a-f]{12}$/);
  t.equal(names[2], 'short');
  t.same(outputNames([long!]), [names[0]], 'the same name every time');
});

t.test('names of an earlier call are kept, and those of other images are not taken', async (t) => {
  const of = (path: string) => (path === '/d/x/1.png' ? '1' : undefined);
  t.same(outputNames(['/d/x/1.png', '/d/y/1.png'], { of, taken: new Set(['2']) }), ['1', 'y_1']);
  const others = { of: () => undefined, taken: new Set(['1']) };
  const [name] = outputNames(['/d/y/1.png'], others);
  t.equal(name, '1.png');
});

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
