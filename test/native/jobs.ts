/** Stopping, progress, order and bounds of long calls. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Admission } from '../../lib/model/admission.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert, exportModel, inspect } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { picture, writeTinyNetwork } from '../helpers/tiny-network.js';

const root = t.testdir();
const paths = await writeTinyNetwork(root);
const checkpoints = { backbone: paths.backbone, head: paths.head };
const model = await SegmentationModel.load(paths.model);
const images = Tensor.from(new Float32Array(3 * 512 * 512), [1, 3, 512, 512]);
const reason = new Error('the client left');

/** Processor time that a call takes, of all threads: what it is does not depend on what else the machine does. */
async function processorTime(call: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await call();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

t.test('a signal that is aborted already starts nothing', async (t) => {
  const signal = AbortSignal.abort(reason);
  const head = model.ownHead();
  const out = join(root, 'never.pt');
  const calls: Record<string, () => Promise<unknown>> = {
    load: () => SegmentationModel.load(paths.model, { signal }),
    forward: () => model.forward(images, { signal }),
    decode: () => model.decode(images, { signal }),
    segment: () => model.segment(picture(64, 64), { signal, imageSize: 64 }),
    scores: () => model.scores(picture(64, 64), { signal, imageSize: 64 }),
    convert: () => convert({ ...checkpoints, out, signal }),
    exportModel: () => exportModel(model, head, out, { signal }),
    inspect: () => inspect(paths.model, { signal }),
    headForward: () => head.forward(images, { signal }),
  };
  for (const [name, call] of Object.entries(calls))
    t.equal(await call().catch((error: unknown) => error), reason, name);
  t.notOk(existsSync(out));
});

t.test('abort stops a forward pass in its middle, and the model works on', async (t) => {
  using small = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  using large = Tensor.from(new Float32Array(16 * 3 * 512 * 512), [16, 3, 512, 512]);
  let expected: Float32Array;
  const whole = await processorTime(async () => {
    using decoded = await model.decode(images);
    expected = await decoded.queries.floats();
  });
  for (let i = 0; i < 3; i++) {
    const controller = new AbortController();
    const before = model.decode(small);
    const call = model.forward(large, { signal: controller.signal }).catch((error: unknown) => error);
    // The thread goes from one call to the next: then the large one is under way.
    (await before).dispose();
    const rest = await processorTime(async () => {
      controller.abort(reason);
      t.equal(await call, reason);
      (await model.decode(small)).dispose();
    });
    // bench/abort.mjs has the time on an idle machine.
    t.ok(rest < 4 * whole, `another ${rest / 1000} ms of 16 times ${whole / 1000} ms`);
  }
  using decoded = await model.decode(images);
  t.ok(sameBits(await decoded.queries.floats(), expected!));
});

t.test('abort drops a call that waits, at once, and leaves the others', async (t) => {
  const controllers = [new AbortController(), new AbortController()];
  // Takes so long that it would not end before the next is dropped.
  using large = Tensor.from(new Float32Array(16 * 3 * 512 * 512), [16, 3, 512, 512]);
  let settled = false;
  const first = model
    .decode(large, { signal: controllers[0]!.signal })
    .catch((error: unknown) => error)
    .finally(() => (settled = true));
  const second = model.decode(images, { signal: controllers[1]!.signal });
  const third = model.decode(images);
  controllers[1]!.abort(reason);
  t.equal(await second.catch((error: unknown) => error), reason);
  t.notOk(settled, 'while the first still runs');
  controllers[0]!.abort(reason);
  t.equal(await first, reason);
  (await third).dispose();
});

t.test('abort stops sliding windows, and progress counts them', async (t) => {
  const image = picture(400, 300);
  const heard: [number, number][] = [];
  const options = { mode: 'slide', imageSize: 128, stride: 100 } as const;
  await model.segment(image, { ...options, onProgress: (done, total) => heard.push([done, total]) });
  const total = heard[0]![1];
  t.same(heard.at(-1), [total, total]);
  t.ok(
    heard.every(([done], i) => i === 0 || done >= heard[i - 1]![0]),
    'never backward',
  );
  const controller = new AbortController();
  const stopped = model.segment(image, {
    ...options,
    signal: controller.signal,
    onProgress: (done) => done >= 2 && controller.abort(reason),
  });
  t.equal(await stopped.catch((error: unknown) => error), reason);
});

t.test('abort in the middle of writing leaves nothing half-written', async (t) => {
  const before = readdirSync(root).sort();
  const out = join(root, 'stopped.pt');
  const head = model.ownHead();
  for (const write of [
    (signal: AbortSignal, onProgress: () => void) => convert({ ...checkpoints, out, signal, onProgress }),
    (signal: AbortSignal, onProgress: () => void) => exportModel(model, head, out, { signal, onProgress }),
  ]) {
    const controller = new AbortController();
    const call = write(controller.signal, () => controller.abort(reason));
    const outcome = await call.then(
      () => 'written',
      (error: unknown) => error,
    );
    // The file may have been whole when the first report was heard; then it stays.
    if (outcome === 'written') t.ok((await inspect(out)).tensors.length > 0);
    else t.equal(outcome, reason);
    t.same(readdirSync(root).sort(), outcome === 'written' ? [...before, 'stopped.pt'].sort() : before);
  }
});

t.test('progress of files ends with all of their bytes', async (t) => {
  const out = join(root, 'again.pt');
  const heard: Record<string, [number, number][]> = { convert: [], load: [], exportModel: [] };
  const listen = (name: string) => ({
    onProgress: (done: number, total: number) => void heard[name]!.push([done, total]),
  });
  await convert({ ...checkpoints, out, ...listen('convert') });
  using copy = await SegmentationModel.load(out, listen('load'));
  await exportModel(copy, copy.ownHead(), join(root, 'exported.pt'), listen('exportModel'));
  for (const [name, reports] of Object.entries(heard)) {
    const [done, total] = reports.at(-1)!;
    t.equal(done, total, `${name}: ${reports.length} reports`);
  }
});

t.test('what onProgress throws stops the call and rejects it', async (t) => {
  const error = new Error('no more');
  const onProgress = () => {
    throw error;
  };
  const call = model.segment(picture(400, 300), { mode: 'slide', imageSize: 128, stride: 100, onProgress });
  t.equal(await call.catch((caught: unknown) => caught), error);
});

t.test('files are free of the operator that stops a running network', async (t) => {
  const out = join(root, 'clean.pt');
  await exportModel(model, model.ownHead(), out);
  for (const path of [paths.model, out]) t.equal(readFileSync(path).indexOf('check_cancelled'), -1);
});

t.test('a finished call is not touched by a later abort, and its listener is gone', async (t) => {
  const controller = new AbortController();
  const map = await model.segment(picture(64, 64), { imageSize: 64, signal: controller.signal });
  controller.abort(reason);
  t.equal(map.data.length, 64 * 64);
  const job = engine().createJob();
  engine().cancelJob(job);
  engine().cancelJob(job);
  await t.rejects(engine().inspect(paths.model, job), { code: 'ABORTED' });
});

t.test('calls of a thread are served in order, many at a time', async (t) => {
  const order: number[] = [];
  const image = picture(64, 64);
  const calls = Array.from({ length: 40 }, async (_, i) => {
    await model.segment(image, { imageSize: 64 });
    order.push(i);
  });
  await Promise.all(calls);
  t.same(
    order,
    Array.from({ length: 40 }, (_, i) => i),
  );
});

t.test('admission bounds calls and bytes, in order, and an aborted wait gives its turn away', async (t) => {
  const admission = new Admission({ calls: 2, bytes: 100 });
  const first = await admission.enter();
  first.hold(90);
  const second = await admission.enter();
  second.hold(20);
  const order: string[] = [];
  const controller = new AbortController();
  const third = Promise.resolve(admission.enter()).then((place) => (order.push('third'), place));
  const left = Promise.resolve(admission.enter(controller.signal));
  const fourth = Promise.resolve(admission.enter()).then((place) => (order.push('fourth'), place));
  controller.abort(reason);
  t.equal(await left.catch((error: unknown) => error), reason);
  t.same(order, []);
  second.leave();
  second.leave();
  (await third).hold(500);
  t.same(order, ['third']);
  first.leave();
  await turn();
  t.same(order, ['third'], 'no room by bytes');
  (await third).leave();
  (await fourth).leave();
  t.same(order, ['third', 'fourth']);
});

t.test('a head’s calls take a signal too', async (t) => {
  using head = ClassHead.create({ hidden: model.hidden, classes: 5, precision: 'float32' });
  using decoded = await model.decode(images);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [
    model.decode(images, { signal }),
    head.classMap(decoded, { width: 512, height: 512, signal }),
    head.forward(decoded.queries, { signal }),
  ];
  controller.abort(reason);
  for (const { status, ...rest } of await Promise.allSettled(calls))
    t.same({ status, ...rest }, { status: 'rejected', reason });
});

t.teardown(() => model.dispose());
