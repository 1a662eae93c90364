/** count_classes: the fused kernel and plain libtorch against a recount, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { countClasses } from '../helpers/operators.js';
import { createRandom } from '../helpers/random-values.js';

const none = 255;

interface Case {
  size: [height: number, width: number];
  maps: number;
  columns: number;
  /** Whether some pixels are excluded. */
  excluded?: boolean;
  /** Length of the runs of pixels of one class. Default 1. */
  run?: number;
}

/** Maps and tables of a case; every third class of a table has no column. */
function valuesOfCase({ size: [height, width], maps, columns, excluded = false, run = 1 }: Case) {
  const random = createRandom(height * width + maps);
  const whole = (below: number) => Math.floor(random() * below);
  const pixels = height * width;
  const map = () => {
    const values = new Uint8Array(pixels);
    for (let i = 0; i < pixels; i += run) values.fill(whole(256), i, i + run);
    return values;
  };
  const table = () => Uint8Array.from({ length: 256 }, (_, k) => (k % 3 === 0 ? none : whole(columns)));
  return {
    maps: Array.from({ length: maps }, map),
    tables: Array.from({ length: maps }, table),
    excluded: excluded ? map().map((value) => (value < 90 ? value : 0)) : undefined,
  };
}

function recount({ columns }: Case, { maps, tables, excluded }: ReturnType<typeof valuesOfCase>): number[] {
  const counts = new Array<number>(columns + 2).fill(0);
  for (let i = 0; i < maps[0]!.length; i++) {
    let column = none;
    for (const [n, map] of maps.entries()) {
      const own = tables[n]![map[i]!]!;
      if (own !== none) column = own;
    }
    counts[excluded?.[i] ? columns + 1 : column === none ? columns : column]!++;
  }
  return counts;
}

const cases: [name: string, given: Case][] = [
  ['one map', { size: [37, 53], maps: 1, columns: 26 }],
  ['two maps, runs of a class', { size: [108, 192], maps: 2, columns: 26, run: 50 }],
  ['excluded pixels', { size: [64, 80], maps: 2, columns: 26, excluded: true, run: 7 }],
  ['eight maps', { size: [16, 16], maps: 8, columns: 5, excluded: true }],
  ['255 columns', { size: [129, 131], maps: 2, columns: 255, excluded: true }],
  ['one pixel, one column', { size: [1, 1], maps: 1, columns: 1 }],
  ['several blocks of one class', { size: [200, 160], maps: 1, columns: 3, run: 40_000 }],
];

for (const { device, skip } of opDevices) {
  t.test(`counts on ${device} are those of a recount`, { skip }, async (t) => {
    for (const [name, given] of cases)
      await t.test(name, async (t) => {
        const values = valuesOfCase(given);
        const maps = await Promise.all(values.maps.map((map) => onDevice(map, given.size, device)));
        const tables = await onDevice(
          Uint8Array.from(values.tables.flatMap((table) => [...table])),
          [given.maps, 256],
          device,
        );
        const excluded = values.excluded && (await onDevice(values.excluded, given.size, device));
        for (const plain of [false, true]) {
          const counts = await countClasses(maps, tables, { columns: given.columns, excluded, plain });
          t.same(engine().tensorInfo(counts).dtype, 'int64');
          t.same(Array.from(await valuesOf(counts), Number), recount(given, values), `plain: ${plain}`);
        }
      });
  });

  t.test(`a table's numbers on ${device} that are no column count as none`, { skip }, async (t) => {
    const map = await onDevice(Uint8Array.from([0, 1, 2, 3]), [2, 2], device);
    const tables = await onDevice(
      Uint8Array.from({ length: 256 }, (_, k) => 2 * k),
      [1, 256],
      device,
    );
    for (const plain of [false, true]) {
      const counts = await countClasses([map], tables, { columns: 3, plain });
      t.same(Array.from(await valuesOf(counts), Number), [1, 0, 1, 2, 0]);
    }
  });
}

t.test('maps and tables that do not fit are refused', async (t) => {
  const e = engine();
  const bytes = (...shape: number[]) =>
    e.tensor(new Uint8Array(shape.reduce((product, length) => product * length)), shape);
  const map = bytes(4, 5);
  for (const plain of [false, true]) {
    const refused = (call: Promise<unknown>, message: RegExp) => t.rejects(call, { code: 'SHAPE', message });
    await refused(countClasses([], bytes(1, 256), { columns: 3, plain }), /expected 1 to 8 maps/);
    const nine = new Array<typeof map>(9).fill(map);
    await refused(countClasses(nine, bytes(9, 256), { columns: 3, plain }), /expected 1 to 8 maps, got 9/);
    await refused(countClasses([map, bytes(5, 4)], bytes(2, 256), { columns: 3, plain }), /maps H×W uint8/);
    await refused(countClasses([map], bytes(2, 256), { columns: 3, plain }), /tables 1×256/);
    await refused(countClasses([map], bytes(1, 256), { columns: 256, plain }), /1 to 255 columns/);
    const excluded = bytes(5, 5);
    await refused(countClasses([map], bytes(1, 256), { columns: 3, excluded, plain }), /expected excluded/);
  }
});
