import t from 'tap';
import { mapLabel } from '../../lib/data/map-label.js';
import type { LabelMapping } from '../../lib/data/class-set.js';

/** 0…9 are classes 10…19, and 200 is ignored. */
const mapping: LabelMapping = {
  kind: 'labelIds',
  toIndex: new Uint8Array(256).map((_, value) => (value < 10 ? value + 10 : 255)),
  known: new Uint8Array(256).map((_, value) => Number(value < 10 || value === 200)),
};
const values = (length: number) => Array.from({ length }, (_, i) => (i % 7 === 3 ? 200 : i % 10));
const expected = (length: number) => values(length).map((value) => (value === 200 ? 255 : value + 10));
const mapped = (data: Uint8Array | Uint16Array) =>
  mapLabel({ data, width: data.length, height: 1 }, mapping, 'The label', 'a set');

t.test(
  'every pixel gets its class, whatever the number of pixels and where they lie in memory',
  async (t) => {
    for (const length of [1, 2, 3, 64, 1001])
      for (const offset of [0, 1, 2]) {
        const data = new Uint8Array(new ArrayBuffer(length + offset), offset, length);
        data.set(values(length));
        t.same([...(await mapped(data)).data], expected(length), `${length} pixels from byte ${offset}`);
      }
    t.same([...(await mapped(Uint16Array.from(values(33)))).data], expected(33), 'of 16 bits');
  },
);

t.test('an unknown value is refused wherever it is, and the message says where', async (t) => {
  for (const place of [0, 1, 7, 8])
    for (const wide of [false, true]) {
      const numbers = values(9).toSpliced(place, 1, wide ? 300 : 77);
      const data = wide ? Uint16Array.from(numbers) : Uint8Array.from(numbers);
      await t.rejects(mapped(data), {
        code: 'LABEL_VALUE',
        message: new RegExp(`: ${wide ? 300 : 77} \\(1 pixels\\); the first, .*, at x ${place}, y 0\\.`),
      });
    }
});
