import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { bestAssignment, totalCost } from '../helpers/mask2former.js';
import { leastCostAssignment } from '../helpers/operators.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();

async function assign(costs: Float64Array, rows: number, columns: number): Promise<Int32Array> {
  const { data } = await e.tensorData(await leastCostAssignment(e.tensor(costs, [rows, columns])));
  return data as Int32Array;
}

for (const { kind, value } of [
  { kind: 'random costs', value: (random: () => number) => random() * 2 - 1 },
  { kind: 'costs with many ties', value: (random: () => number) => Math.floor(random() * 3) },
  { kind: 'equal costs', value: () => 1 },
] as const)
  t.test(`${kind}: the assignment costs as little as the best of all`, async (t) => {
    const random = createRandom(7);
    let compared = 0;
    let worst = 0;
    for (const [rows, columns] of [
      [1, 1],
      [1, 6],
      [6, 1],
      [3, 3],
      [5, 5],
      [3, 6],
      [6, 3],
      [2, 7],
      [7, 2],
    ] as const)
      for (let round = 0; round < 30; round++) {
        const costs = Float64Array.from({ length: rows * columns }, () => value(random));
        const found = await assign(costs, rows, columns);
        const used = [...found].filter((column) => column >= 0);
        const isAssignment =
          found.length === rows &&
          used.length === Math.min(rows, columns) &&
          new Set(used).size === used.length;
        if (!isAssignment) t.fail(`${rows}×${columns}: ${found.join(' ')} is no assignment`);
        const best = totalCost(costs, columns, bestAssignment(costs, rows, columns));
        worst = Math.max(worst, totalCost(costs, columns, found) - best);
        compared++;
      }
    t.ok(worst < 1e-12, `${compared} cases, at most ${worst} above the least cost`);
  });

t.test('the same costs give the same assignment, at the size of Mask2Former', async (t) => {
  const random = createRandom(8);
  const costs = Float64Array.from({ length: 60 * 100 }, () => Math.floor(random() * 5));
  const first = await assign(costs, 60, 100);
  for (let i = 0; i < 3; i++) t.same(await assign(costs, 60, 100), first);
});

t.test('large costs and negative ones do not mislead it', async (t) => {
  const costs = Float64Array.from([-1e9, 5, 1e9, 4, -1e9, -1e9 + 1, 0, 0, 0]);
  t.same([...(await assign(costs, 3, 3))], [0, 1, 2]);
});

t.test('costs that are not finite are refused', async (t) => {
  for (const value of [NaN, Infinity, -Infinity])
    await t.rejects(assign(Float64Array.from([0, value]), 1, 2), { code: 'INVALID_ARGUMENT' });
});
