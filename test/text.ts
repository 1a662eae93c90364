import t from 'tap';
import { counted, formatBytes, formatRate, formatSeconds } from '../lib/text.js';

t.test('times are short', async (t) => {
  t.same([0, 0.04, 1.23, 9.96, 42.4, 59.6, 187, 8100].map(formatSeconds), [
    '0 s',
    '0.0 s',
    '1.2 s',
    '10 s',
    '42 s',
    '1:00',
    '3:07',
    '2:15:00',
  ]);
});

t.test('sizes and rates have few digits', async (t) => {
  t.same([0, 1023, 1536, 5 * 2 ** 40].map(formatBytes), ['0 B', '1023 B', '1.5 KiB', '5.0 TiB']);
  t.same([0.254, 3.14, 119.6].map(formatRate), ['0.25', '3.1', '120']);
});

t.test('things are counted in singular and plural', async (t) => {
  t.same(
    [0, 1, 2, 1234].map((count) => counted(count, 'label image')),
    ['0 label images', '1 label image', '2 label images', '1,234 label images'],
  );
  t.same(
    [1, 2].map((count) => counted(count, 'class', 'classes')),
    ['1 class', '2 classes'],
  );
});
