import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { setTimeout as sleep } from 'node:timers/promises';
import { prefetch } from '../../lib/data/prefetch.js';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

t.test('items come in order, whichever load ends first', async (t) => {
  const load = async (i: number): Promise<number> => {
    await sleep((i * 7) % 5);
    return i * 10;
  };
  for (const [ahead, concurrency] of [
    [1, 1],
    [2, 4],
    [8, 3],
    [50, 50],
  ] as const)
    t.same(
      await collect(prefetch([0, 1, 2, 3, 4, 5, 6, 7, 8], load, { ahead, concurrency })),
      [0, 10, 20, 30, 40, 50, 60, 70, 80],
      `ahead ${ahead}, concurrency ${concurrency}`,
    );
  t.same(await collect(prefetch([], load, { ahead: 2, concurrency: 2 })), []);
});

t.test('neither the number of running loads nor that of waiting items exceeds its bound', async (t) => {
  let running = 0;
  let started = 0;
  let most = 0;
  let taken = 0;
  let furthest = 0;
  const load = async (i: number): Promise<number> => {
    most = Math.max(most, ++running);
    furthest = Math.max(furthest, ++started - taken);
    await sleep(1);
    running--;
    return i;
  };
  for await (const item of prefetch(Array(40).keys(), load, { ahead: 6, concurrency: 3 })) {
    taken = item + 1;
    if (item % 10 === 0) await sleep(15);
  }
  t.equal(started, 40);
  t.equal(most, 3, 'three loads at a time');
  t.ok(furthest <= 7, `${furthest} loaded beyond the last one taken: 6 and the one in hand`);
});

t.test('loading goes on while the consumer works', async (t) => {
  const ended: number[] = [];
  let allReady: () => void;
  const ready = new Promise<void>((resolve) => (allReady = resolve));
  const load = async (i: number): Promise<number> => {
    await sleep(2);
    ended.push(i);
    if (ended.length === 4) allReady();
    return i;
  };
  const items = prefetch([0, 1, 2, 3, 4], load, { ahead: 3, concurrency: 1 });
  await items.next();
  await ready;
  await sleep(10);
  t.same(ended, [0, 1, 2, 3], 'three more are ready');
  await items.return();
});

t.test('an error surfaces at its item, after the ones before it', async (t) => {
  const seen: number[] = [];
  const load = async (i: number): Promise<number> => {
    if (i === 2) throw new Error('item 2 is broken');
    await sleep(5);
    return i;
  };
  await t.rejects(
    async () => {
      for await (const i of prefetch([0, 1, 2, 3], load, { ahead: 4, concurrency: 4 })) seen.push(i);
    },
    { message: 'item 2 is broken' },
  );
  t.same(seen, [0, 1]);
});

t.test('an error of the source takes its turn too', async (t) => {
  function* source(): Generator<number> {
    yield 0;
    throw new Error('no more');
  }
  const items = prefetch(source(), async (i) => i, { ahead: 4, concurrency: 4 });
  t.same(await items.next(), { value: 0, done: false });
  await t.rejects(items.next(), { message: 'no more' });
});

t.test('leaving the loop starts no further load and ends the source', async (t) => {
  let started = 0;
  let closed = false;
  function* source(): Generator<number> {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      closed = true;
    }
  }
  const load = async (i: number): Promise<number> => {
    started++;
    await sleep(2);
    return i;
  };
  for await (const i of prefetch(source(), load, { ahead: 3, concurrency: 2 })) if (i === 1) break;
  const before = started;
  await sleep(20);
  t.equal(started, before);
  t.ok(closed, 'the source was closed');
});

t.test('an abort ends the wait with its reason, also while a load hangs', async (t) => {
  const controller = new AbortController();
  const hang = (): Promise<number> => new Promise(() => {});
  const items = prefetch([1, 2], hang, { ahead: 1, concurrency: 1, signal: controller.signal });
  setImmediate(() => controller.abort(new Error('stop now')));
  await t.rejects(items.next(), { message: 'stop now' });
  const late = prefetch([1], hang, { ahead: 1, concurrency: 1, signal: controller.signal });
  await t.rejects(late.next(), { message: 'stop now' }, 'and at once where it came before');
});

t.test('bounds below 1 are refused', async (t) => {
  for (const options of [
    { ahead: 0, concurrency: 1 },
    { ahead: 1, concurrency: 0 },
    { ahead: 1.5, concurrency: 1 },
  ])
    await t.rejects(prefetch([1], async (i) => i, options).next(), { code: 'INVALID_ARGUMENT' });
});

t.test('a value that was taken and left is not held', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const refs: WeakRef<object>[] = [];
  const load = async (item: number) => {
    const value = { item };
    refs.push(new WeakRef(value));
    return value;
  };
  let taken = 0;
  for await (const { item } of prefetch(
    Array.from({ length: 50 }, (_, i) => i),
    load,
    { ahead: 2, concurrency: 1 },
  )) {
    taken = item;
    if (item < 40) continue;
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    t.ok(refs.filter((ref) => ref.deref()).length <= 6, `those ahead and the last ones at ${taken}`);
    break;
  }
});
