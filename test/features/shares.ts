/** What the engine refuses of layers, tables and labels. */
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { engine } from '../../lib/native/engine.js';
import { writeFormulaModel } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

t.test('tables and layers that cannot be are refused', async (t) => {
  using model = await SegmentationModel.load(await writeFormulaModel(t.testdir()));
  const options = { width: 64, height: 64, columns: 3, soft: false };
  const table = new Uint8Array(256).fill(255);
  const layer = { head: model.ownHead().handle, scoring: 'ade20k' as const, table };
  const shares = (layers: object[], changes = {}) =>
    engine().classShares(model.handle, layers as never, [picture(8, 6)], { ...options, ...changes });
  t.same([...(await shares([layer]))], [0, 0, 0, 48], 'a table without columns counts nothing');
  t.same([...(await shares([layer], { soft: true }))].map(Math.round), [0, 0, 0, 1]);
  const code = 'INVALID_ARGUMENT';
  await t.rejects(shares([]), { code }, 'no layer');
  await t.rejects(shares([{ ...layer, table: table.subarray(1) }]), { code }, 'a short table');
  await t.rejects(shares([{ ...layer, table: table.map(() => 3) }]), { code }, 'a column that is none');
  await t.rejects(shares([layer], { columns: 256 }), { code }, 'too many columns');
  await t.rejects(shares([{ ...layer, head: model.handle }]), { code }, 'no head');
});

t.test('labels are counted by class, and other values refused', async (t) => {
  const label = { data: Uint8Array.from([0, 2, 2, 255, 1, 2]), width: 3, height: 2, channels: 1 as const };
  t.same([...(await engine().labelShares(label, 3))], [1, 1, 3, 1]);
  await t.rejects(engine().labelShares(label, 2), { code: 'LABEL_VALUE', message: /3 pixels/ });
  await t.rejects(engine().labelShares(label, 0), { code: 'INVALID_ARGUMENT' });
});
