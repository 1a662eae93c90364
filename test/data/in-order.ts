import t from 'tap';
import { setTimeout as sleep } from 'node:timers/promises';
import { inOrder } from '../../lib/data/in-order.js';
import { ReplicaPool } from '../../lib/model/replicas.js';
import { inOrderOver, passesPerDevice, type Pass } from '../../lib/model/in-order-over.js';

async function collect<T>(items: AsyncIterable<T>, into: T[] = []): Promise<T[]> {
  for await (const item of items) into.push(item);
  return into;
}

/** Numbers from 0; notes how many were asked for, and that it was ended. */
async function* numbers(count: number, seen: { given: number; ended?: boolean } = { given: 0 }) {
  try {
    for (let i = 0; i < count; i++) {
      seen.given++;
      yield i;
    }
  } finally {
    seen.ended = true;
  }
}

t.test('results come in order, whichever is ready first', async (t) => {
  const use = async (i: number) => {
    await sleep((i * 7) % 5);
    return i * 10;
  };
  for (const concurrency of [1, 2, 3, 20])
    t.same(await collect(inOrder(numbers(9), use, { concurrency })), [0, 10, 20, 30, 40, 50, 60, 70, 80]);
  t.same(await collect(inOrder(numbers(0), use, { concurrency: 2 })), []);
});

t.test('a slow item does not stop the others at once, and not more is begun than its bound', async (t) => {
  const seen = { given: 0 };
  let free: () => void = () => {};
  const first = new Promise<void>((resolve) => (free = resolve));
  let running = 0;
  let most = 0;
  const use = async (i: number) => {
    most = Math.max(most, ++running);
    await (i === 0 ? first : sleep(1));
    running--;
    return i;
  };
  const results = inOrder(numbers(20, seen), use, { concurrency: 3 });
  const begun = results.next();
  await sleep(20);
  t.equal(seen.given, 6, 'twice as many as work at a time');
  free();
  t.same((await begun).value, 0);
  t.same(await collect(results), [...Array(20).keys()].slice(1));
  t.equal(most, 3);
});

t.test('an error comes after the results before it; what works is told and waited for', async (t) => {
  const seen = { given: 0, ended: false };
  const stopped: number[] = [];
  const use = async (i: number, signal: AbortSignal) => {
    await sleep(i < 2 ? 20 : 1);
    if (i === 2) throw new Error('item 2 is broken');
    if (i < 2) return i;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    await sleep(10);
    stopped.push(i);
    return i;
  };
  const got: number[] = [];
  await t.rejects(collect(inOrder(numbers(20, seen), use, { concurrency: 4 }), got), {
    message: 'item 2 is broken',
  });
  t.same(got, [0, 1]);
  t.same(stopped, [3], 'the one that had begun');
  t.same(seen, { given: 4, ended: true }, 'no further item was begun');
});

t.test('an error of the source takes its turn', async (t) => {
  async function* source() {
    yield 0;
    yield 1;
    throw new Error('the source is broken');
  }
  const got: number[] = [];
  const results = inOrder(source(), async (i) => (await sleep(5), i), { concurrency: 4 });
  await t.rejects(collect(results, got), { message: 'the source is broken' });
  t.same(got, [0, 1]);
});

t.test('an abort ends it with its reason, after the work has ended', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error('enough');
  let running = 0;
  const use = async (i: number, either: AbortSignal) => {
    running++;
    await new Promise<void>((resolve) => either.addEventListener('abort', () => resolve()));
    await sleep(5);
    running--;
    return i;
  };
  const results = collect(inOrder(numbers(9), use, { concurrency: 3, signal }));
  await sleep(5);
  t.equal(running, 3);
  controller.abort(reason);
  await t.rejects(results, reason);
  t.equal(running, 0);
});

t.test('leaving the loop ends the work and the source', async (t) => {
  const seen = { given: 0, ended: false };
  let running = 0;
  const use = async (i: number) => {
    running++;
    await sleep(2);
    running--;
    return i;
  };
  for await (const i of inOrder(numbers(50, seen), use, { concurrency: 2 })) if (i === 3) break;
  t.equal(running, 0);
  t.ok(seen.ended);
  t.ok(seen.given <= 3 + 1 + 4, `${seen.given} begun`);
});

t.test('each item of a pool gets as many calls as the others', async (t) => {
  const devices = [0, 1, 2].map((device) => ({ device, passes: 0, turns: 0, mostPasses: 0, mostTurns: 0 }));
  const use = async (i: number, { replica, turn }: Pass<(typeof devices)[0]>) => {
    replica.mostPasses = Math.max(replica.mostPasses, ++replica.passes);
    await turn(async () => {
      replica.mostTurns = Math.max(replica.mostTurns, ++replica.turns);
      await sleep(1 + ((i * 5) % 4));
      replica.turns--;
    });
    replica.passes--;
    return i;
  };
  const results = inOrderOver(new ReplicaPool(devices), numbers(30), use, undefined);
  t.same(await collect(results), [...Array(30).keys()]);
  for (const { mostPasses, mostTurns } of devices)
    t.same({ mostPasses, mostTurns }, { mostPasses: passesPerDevice, mostTurns: 1 });
});

t.test('a turn that fails does not stop the next one', async (t) => {
  const pool = new ReplicaPool([{}]);
  const log: string[] = [];
  const use = (i: number, { turn }: Pass<object>) =>
    turn(async () => {
      await sleep(1);
      log.push(`turn ${i}`);
      if (i === 0) throw new Error('turn 0 is broken');
    });
  await t.rejects(collect(inOrderOver(pool, numbers(2), use, undefined)), { message: 'turn 0 is broken' });
  t.same(log, ['turn 0', 'turn 1']);
});
