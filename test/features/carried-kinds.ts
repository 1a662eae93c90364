/** Which columns of a manifest are numbers. */
import t from 'tap';
import { carriedValue, KindOfCells } from '../../lib/features/carried-kinds.js';

function kindOf(cells: readonly string[]): string {
  const kind = new KindOfCells();
  for (const cell of cells) kind.add(cell);
  return kind.kind;
}

for (const [kind, what, cells] of [
  ['integer', 'whole numbers and empty cells', ['0', '-7', '', '12']],
  ['integer', 'the ends of 64 bits', ['9223372036854775807', '-9223372036854775808']],
  ['text', 'one more than 64 bits hold', ['9223372036854775808']],
  ['number', 'decimals, some of them whole', ['7.5', '8', '', '-33.4500', '1e-7', '2E3']],
  [
    'number',
    'as many digits as a double is printed with',
    ['-70.666700000000006', '0.10000000000000001', '5e-324'],
  ],
  ['number', 'every digit of a double', ['0.1000000000000000055511151231257827021181583404541015625']],
  ['text', 'more digits than a double holds', ['0.12345678901234567891', '1']],
  ['text', 'a whole number beside decimals that a double does not hold', ['9007199254740993', '0.5']],
  ['text', 'a leading zero', ['1', '007']],
  ['text', 'a leading zero before decimals', ['00.5', '1']],
  ['text', 'a plus, as in telephone numbers', ['+33123456789']],
  ['text', 'decimal commas', ['48,8566']],
  ['text', 'numbers too large for a double', ['1e400']],
  ['text', 'not a number', ['1', 'NaN']],
  ['text', 'hexadecimal', ['0x10']],
  ['text', 'spaces', [' 1']],
  ['text', 'a minus before zero, which whole numbers do not have', ['-0', 'x']],
  ['text', 'empty cells alone', ['', '']],
] as const)
  t.test(`${what}: ${kind}`, (t) => {
    t.equal(kindOf(cells), kind);
    t.end();
  });

t.test('empty cells have no value; the others have that of their kind', (t) => {
  t.equal(carriedValue('text', ''), null);
  t.equal(carriedValue('number', ''), null);
  t.equal(carriedValue('text', '007'), '007');
  t.equal(carriedValue('number', '-33.4500'), -33.45);
  t.ok(Object.is(carriedValue('number', '-0.0'), 0));
  t.equal(carriedValue('integer', '9223372036854775807'), 2n ** 63n - 1n);
  t.end();
});
