import t from 'tap';
import { betterEpoch, outOfPatience } from '../../lib/train/early-stopping.js';

t.test('only a higher mIoU makes a new best epoch', async (t) => {
  const first = betterEpoch(null, 1, 0.2);
  t.same(first, { epoch: 1, mIoU: 0.2 });
  t.equal(betterEpoch(first, 2, 0.2), first);
  t.equal(betterEpoch(first, 2, null), first);
  t.equal(betterEpoch(first, 2, NaN), first);
  t.same(betterEpoch(first, 2, 0.21), { epoch: 2, mIoU: 0.21 });
});

t.test('training stops when the best epoch is `patience` epochs ago', async (t) => {
  const best = { epoch: 3, mIoU: 0.5 };
  t.notOk(outOfPatience(best, 12, 10));
  t.ok(outOfPatience(best, 13, 10));
  t.notOk(outOfPatience(best, 1000, 0), '0 waits for ever');
  t.ok(outOfPatience(null, 2, 2), 'epochs without any measurable mIoU count');
});
