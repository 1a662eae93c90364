import t from 'tap';
import { DinoSegError } from '../../lib/errors.js';
import { checkPassSize, choosePassSize, imageBytes, BatchRunner } from '../../lib/model/pass-size.js';

const size = { width: 512, height: 512 };
const sevenBillion = { width: 4096, hidden: 2048, dtype: 'bfloat16' } as const;
const gigabyte = 1e9;

t.test('the largest of 8, 4, 2 and 1 is chosen whose images fit half of the free memory', async (t) => {
  for (const [freeBytes, expected] of [
    [1600, 8],
    [1599, 4],
    [800, 4],
    [799, 2],
    [400, 2],
    [399, 1],
    [0, 1],
  ] as const)
    t.equal(choosePassSize(freeBytes, 100), expected, `${freeBytes} bytes free`);
});

t.test("an image's share of a pass is estimated from the network's widths", async (t) => {
  const bytes = imageBytes(sevenBillion, size);
  // Measured on an H100: 16.7 GB at most with one image, 22.7 GB with eight.
  t.ok(bytes > 0.86 * gigabyte && bytes < 0.95 * gigabyte, `${bytes / gigabyte} GB for the 7B`);
  t.equal(imageBytes(sevenBillion, { width: 1024, height: 512 }), 2 * bytes, 'in proportion to the pixels');
  t.equal(imageBytes({ ...sevenBillion, dtype: 'float32' }, size), 2 * bytes);
  t.ok(imageBytes({ ...sevenBillion, width: 1024 }, size) < bytes);
});

t.test('the 7B at 512×512 takes 8 images on a GPU of 80 GB and 4 on one of 24 GB', async (t) => {
  const chosen = (totalBytes: number) =>
    choosePassSize(totalBytes - 15.5 * gigabyte, imageBytes(sevenBillion, size));
  t.equal(chosen(80 * gigabyte), 8);
  t.equal(chosen(24 * gigabyte), 4);
  t.equal(chosen(16 * gigabyte), 1);
});

t.test('on the CPU a pass takes one image unless a size is given', async (t) => {
  const model = { ...sevenBillion, devices: ['cpu'] };
  t.equal(BatchRunner.of(model, size, {}).size, 1);
  t.equal(BatchRunner.of(model, size, { passSize: null }).size, 1);
  t.equal(BatchRunner.of(model, size, { passSize: 100 }).size, 100);
});

t.test('a size that is no whole number from 1 is refused', async (t) => {
  for (const passSize of [0, -1, 1.5, NaN, Infinity])
    t.throws(() => checkPassSize(passSize), {
      code: 'INVALID_ARGUMENT',
      message: `passSize should be a whole number from 1, not ${passSize}.`,
    });
  checkPassSize(undefined);
});

/** A pass that has memory for so many images; notes what it was asked for. */
function passFor(room: number, asked: number[]): (most: number) => Promise<number> {
  return async (most) => {
    asked.push(most);
    if (most > room) throw new DinoSegError('OUT_OF_MEMORY', 'Running the network took more memory');
    return most;
  };
}

t.test('a size that was chosen is halved where memory runs out, and stays so', async (t) => {
  const log: string[] = [];
  const runner = new BatchRunner(8, { mayHalve: true, onLog: (line) => log.push(line) });
  const asked: number[] = [];
  t.equal(await runner.run(passFor(2, asked)), 2);
  t.equal(await runner.run(passFor(2, asked)), 2);
  t.same(asked, [8, 4, 2, 2]);
  t.match(log, [/^Memory ran out with 8 images per pass; continuing with 4/, /with 4 images .* with 2/]);
  await t.rejects(runner.run(passFor(0, asked)), { code: 'OUT_OF_MEMORY', message: /more memory$/ });
  t.equal(runner.size, 1);
});

t.test('passes that run out of memory at the same time halve the size once', async (t) => {
  const runner = new BatchRunner(8, { mayHalve: true });
  const asked: number[] = [];
  const passes = Array.from({ length: 3 }, () => runner.run(passFor(4, asked)));
  t.same(await Promise.all(passes), [4, 4, 4]);
  t.same(asked, [8, 8, 8, 4, 4, 4]);
  t.equal(runner.size, 4);
});

t.test('a size that was given is never changed', async (t) => {
  const runner = BatchRunner.of({ ...sevenBillion, devices: ['cpu'] }, size, { passSize: 8 });
  const asked: number[] = [];
  await t.rejects(runner.run(passFor(4, asked)), { code: 'OUT_OF_MEMORY' });
  t.same(asked, [8]);
});

t.test('a size that results depend on stays, and the error says why', async (t) => {
  const runner = new BatchRunner(8, { mayHalve: true });
  await runner.run(passFor(4, []));
  runner.keep('It is recorded.');
  await t.rejects(runner.run(passFor(2, [])), {
    code: 'OUT_OF_MEMORY',
    message: 'Running the network took more memory. It is recorded.',
  });
  t.equal(runner.size, 4);
});

t.test('other errors are passed on at once', async (t) => {
  const runner = new BatchRunner(8, { mayHalve: true });
  const error = new Error('no');
  await t.rejects(
    runner.run(() => Promise.reject(error)),
    error,
  );
  t.equal(runner.size, 8);
});
