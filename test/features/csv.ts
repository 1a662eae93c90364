/** CSV as RFC 4180 has it. */
import t from 'tap';
import { csvLine, readCsv, textOfCell, tsvLine, type CsvReading } from '../../lib/features/csv.js';
import { writeTree } from '../helpers/temporary.js';

async function rowsOf(
  t: Parameters<typeof writeTree>[0],
  text: string | Uint8Array,
  options: CsvReading = {},
) {
  const root = await writeTree(t, { 'a.csv': text });
  const rows: (string | number)[][] = [];
  for await (const { cells, line } of readCsv(`${root}/a.csv`, 'MANIFEST', options))
    rows.push([line, ...cells]);
  return rows;
}

t.test('cells with commas, quotes and line ends are quoted, and read back', async (t) => {
  const rows = [
    ['id', 'a,b', 'say "x"'],
    ['line\r\nend', '', '  spaces '],
    ['größer', '\n', '"'],
  ];
  const text = rows.map((row) => csvLine(row)).join('');
  t.ok(text.startsWith('id,"a,b","say ""x"""\r\n"line\r\nend",,  spaces \r\n'));
  t.same(
    (await rowsOf(t, text)).map(([, ...cells]) => (cells as string[]).map(textOfCell)),
    rows,
  );
});

t.test('tab-separated cells with tabs, quotes and line ends are quoted', (t) => {
  t.equal(tsvLine(['a,b', 'c\td', 'say "x"', 'e\nf', 1]), 'a,b\t"c\td"\t"say ""x"""\t"e\nf"\t1\r\n');
  t.end();
});

t.test('numbers are the shortest that read back', (t) => {
  const values = [0.1, 1 / 3, 100, 5e-324, 2 ** 60, 0];
  t.equal(csvLine(values), '0.1,0.3333333333333333,100,5e-324,1152921504606847000,0\r\n');
  t.end();
});

t.test('a byte order mark, LF ends, empty lines and a last line without an end are taken', async (t) => {
  t.same(await rowsOf(t, '\ufeffa,b\n\n1,2\r\n\r\n3,"4\n5"\n6,7'), [
    [1, 'a', 'b'],
    [3, '1', '2'],
    [5, '3', '4\n5'],
    [7, '6', '7'],
  ]);
  t.same(await rowsOf(t, 'a\n""\n'), [
    [1, 'a'],
    [2, ''],
  ]);
  t.same(await rowsOf(t, ''), []);
});

for (const [what, text] of [
  ['semicolons', 'id;"a,b;c";x\n1;"2;"";3";\n'],
  ['tabs', 'id\t"a,b;c"\tx\n1\t"2;"";3"\t\n'],
  ['commas with spaces behind them', 'id, "a,b;c", x\n1, "2;"";3", \n'],
  ['rows without a text', '\n\nid,"a,b;c",x\n1,"2;"";3",\n,,\n'],
] as const)
  t.test(`foreign files: ${what}`, async (t) => {
    const found = (await rowsOf(t, text, { foreign: true })).map(([, ...cells]) => cells);
    t.same(found, [
      ['id', 'a,b;c', 'x'],
      ['1', '2;";3', ''],
    ]);
  });

t.test(
  'foreign files: a header alone, no text at all, and a header larger than a block of the file',
  async (t) => {
    t.same(await rowsOf(t, 'a;b', { foreign: true }), [[1, 'a', 'b']]);
    t.same(await rowsOf(t, '', { foreign: true }), []);
    const names = Array.from({ length: 20_000 }, (_, i) => `name ${i}`);
    const text = `${names.join(';')}\n${names.join(';')}\n`;
    const cells = (await rowsOf(t, text, { foreign: true })).map(([, ...cells]) => cells);
    t.equal(JSON.stringify(cells), JSON.stringify([names, names]));
  },
);

t.test('UTF-16 with a byte order mark is read', async (t) => {
  const text = Buffer.from('\ufeffa,b\né,2\n', 'utf16le');
  const expected = [
    [1, 'a', 'b'],
    [2, 'é', '2'],
  ];
  t.same(await rowsOf(t, text), expected);
  t.same(await rowsOf(t, text.swap16()), expected);
});

for (const [what, text, message] of [
  ['a row of another length', 'a,b\n1,2\n3\n', /line 3: 1 cells, but the header has 2/],
  ['a quote inside a plain cell', 'a,b\n1,2"\n', /line 2: an unquoted cell contains a quote/],
  ['text after a closing quote', 'a,b\n"1"x,2\n', /line 2: "x" follows the quote/],
  ['a quoted cell without an end', 'a,b\n1,"2\n3\n', /line 2: a quoted cell .* is not closed/],
  [
    'bytes that are no UTF-8',
    Buffer.from('a\n\xff\n', 'latin1'),
    /line 2: bytes that are not UTF-8.*iconv -f WINDOWS-1252 -t UTF-8/,
  ],
] as const)
  t.test(`${what} is refused`, async (t) => {
    await t.rejects(rowsOf(t, text), { code: 'MANIFEST', message });
  });

t.test(
  'a quote that is never closed ends where a cell is too long, with the line of the quote',
  async (t) => {
    const open = `image,note\na.jpg,x\nb.jpg,"open\n${'some more text\n'.repeat(200_000)}`;
    const message = /line 3: a quoted cell begins that is longer than 1048576 characters/;
    await t.rejects(rowsOf(t, open, { foreign: true }), { code: 'MANIFEST', message });
    await t.rejects(rowsOf(t, `a,b\n1,${'x'.repeat(2 ** 21)}\n`), {
      message: /line 2: a cell is longer than/,
    });
    await t.rejects(rowsOf(t, `a,b\n1${',2'.repeat(2 ** 24)}\n`), {
      message: /line 2: a row is longer than/,
    });
    await t.rejects(rowsOf(t, `"a,b\n${'x\n'.repeat(2 ** 20)}`, { foreign: true }), {
      message: /line 1: a quoted cell begins that is longer/,
    });
    const long = 'y'.repeat(300_000);
    t.same(await rowsOf(t, `a,b\n"${long}\n""",2\n3,4`), [
      [1, 'a', 'b'],
      [2, `${long}\n"`, '2'],
      [4, '3', '4'],
    ]);
  },
);

t.test('texts that a spreadsheet would compute are marked, and read back; numbers are not', async (t) => {
  const texts = [
    '=1+1',
    '+x',
    '-x',
    '@x',
    '\tx',
    '\rx',
    "'=x",
    "''=x",
    "'x",
    '-12',
    '+4.5e3',
    "'-12",
    'a=b',
    '',
    '-',
  ];
  const line = csvLine([...texts, -1, -2n]);
  t.ok(
    line.startsWith(
      `"'=1+1","'+x","'-x","'@x","'\tx","'\rx","''=x","'''=x",'x,-12,+4.5e3,'-12,a=b,,"'-",-1,-2\r\n`,
    ),
    line,
  );
  const [[, ...cells]] = (await rowsOf(t, line)) as [[number, ...string[]]];
  t.same(cells.map(textOfCell), [...texts, '-1', '-2']);
  t.equal(csvLine(['=1', 'a'], 'keep'), '=1,a\r\n');
});
