import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { colorize, sideBySide } from '../../lib/report/colorize.js';

const idd26 = await loadClassSet('idd26');

t.test("indices become their class's colour, and 255 black", async (t) => {
  t.same([...colorize(new Uint8Array([0, 25, 255]), idd26)], [128, 64, 128, 70, 130, 180, 0, 0, 0]);
});

t.test('an index outside the set is LABEL_VALUE', async (t) => {
  t.throws(() => colorize(new Uint8Array([26]), idd26), {
    code: 'LABEL_VALUE',
    message: /index 26, but "idd26" has classes 0 to 25/,
  });
});

t.test('images stand side by side, row by row', async (t) => {
  const left = new Uint8Array([1, 1, 1, 2, 2, 2]);
  const right = new Uint8Array([3, 3, 3, 4, 4, 4]);
  t.same([...sideBySide([left, right], 1, 2)], [1, 1, 1, 3, 3, 3, 2, 2, 2, 4, 4, 4]);
  t.throws(() => sideBySide([left, right.subarray(3)], 1, 2), {
    code: 'SHAPE',
    message: /Image 2 of 2 .*2×1×3.*not 3/,
  });
});
