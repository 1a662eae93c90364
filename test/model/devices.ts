/** A network on several devices: two lanes on the CPU behave as two devices would. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { classShares } from '../../lib/model/class-shares.js';
import { convert } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { resolveDevice, resolveDevices } from '../../lib/model/device.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { ReplicaPool } from '../../lib/model/replicas.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { runJob } from '../../lib/native/job.js';
import { sameBits } from '../helpers/close.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
for (const name of ['seg', 'det']) mkdirSync(at(name));
const segmentation = await writeFormulaCheckpoints(at('seg'));
const detection = await writeFormulaCheckpoints(at('det'), 'det');
const path = at('seg.pt');
await convert({ ...segmentation, out: path });
await convert({
  ...{ backbone: segmentation.backbone, head: detection.head, out: at('det.pt'), task: 'detection' },
});

const both = { device: 'cpu,cpu' };
const image = picture(90, 70);
const images = Array.from({ length: 6 }, (_, i) => picture(64 + 16 * i, 64));
const reason = new Error('the client left');
const alone = await SegmentationModel.load(path, { device: 'cpu' });
const model = await SegmentationModel.load(path, both);
t.teardown(() => {
  alone.dispose();
  model.dispose();
});

/** Keeps a lane busy until it is let go. */
function occupied({ handle }: SegmentationModel) {
  const controller = new AbortController();
  const ended = runJob({ signal: controller.signal }, (job) => engine().meet(handle, 99, job)).catch(
    (error: unknown) => error,
  );
  return { ended, letGo: () => controller.abort(reason) };
}

t.test('a list of devices is resolved, and refused where it makes no sense', (t) => {
  t.same(resolveDevices('cpu'), ['cpu']);
  t.same(resolveDevices('cpu, cpu'), ['cpu', 'cpu']);
  t.same(resolveDevices(['cuda:2', 'cuda:0']), ['cuda:2', 'cuda:0'], 'in the order given');
  t.equal(resolveDevice('cuda:2,cuda:0'), 'cuda:2', 'of what has a single device the first');
  const { cudaDevices } = engine().info();
  const all = Array.from({ length: cudaDevices }, (_, i) => `cuda:${i}`);
  t.same(resolveDevices(), cudaDevices > 0 ? all : ['cpu']);
  t.same(resolveDevices('cuda'), cudaDevices > 0 ? all : ['cuda:0'], 'which the engine refuses with why');
  for (const [device, message] of [
    ['cpu,cuda:0', /has CUDA devices and the CPU/],
    ['cuda:0,auto', /Unknown device "auto" in the list cuda:0,auto/],
    ['cuda:0,gpu', /Unknown device "gpu"/],
    ['cuda:0,cuda:01', /Unknown device "cuda:01"/],
    ['cpu,', /Expected a device/],
    [[], /Expected a device/],
  ] as const)
    t.throws(() => resolveDevices(device), { code: 'DEVICE', message }, String(device));
  t.end();
});

t.test('what has several devices says so, and its weights are in memory once', async (t) => {
  t.same([model.devices, model.device, alone.devices], [['cpu', 'cpu'], 'cpu', ['cpu']]);
  t.equal(alone.replicas[0], alone);
  t.same(
    model.replicas.map(({ device, devices, replica }) => ({ device, devices, replica })),
    [
      { device: 'cpu', devices: ['cpu'], replica: 0 },
      { device: 'cpu', devices: ['cpu'], replica: 1 },
    ],
  );
  const bytes = (models: readonly SegmentationModel[]) =>
    engine().storageBytes(models.map(({ handle }) => handle));
  t.equal(bytes(model.replicas), bytes([alone]));
  using list = await SegmentationModel.load(path, { device: ['cpu', 'cpu', 'cpu'] });
  t.equal(list.replicas.length, 3);
  t.match(model, { id: alone.id, path: alone.path, parameters: alone.parameters, dtype: alone.dtype });
});

t.test('the lanes run at the same time', async (t) => {
  const jobs = model.replicas.map(({ handle }) => engine().meet(handle, 2));
  await Promise.all(jobs);
  t.pass('each ended because the other ran');
});

t.test('a busy lane does not hold up the other, and a call that waits in it can be stopped', async (t) => {
  // The head is copied to the second lane from the first one's: before that is busy.
  const [expected] = await Promise.all([1, 2].map(() => model.segment(image, { imageSize: 64 })));
  const first = occupied(model.replicas[0]!);
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = model.segment(image, { imageSize: 64, signal }).catch((error: unknown) => error);
  const map = await model.segment(image, { imageSize: 64 });
  t.ok(sameBits(map.data, expected!.data), 'the free one answered');
  controller.abort(reason);
  t.equal(await waiting, reason);
  const second = occupied(model.replicas[1]!);
  second.letGo();
  t.equal(await second.ended, reason, 'a running call is stopped in its own lane');
  (await model.replicas[1]!.segment(image, { imageSize: 64 })).data.fill(0);
  first.letGo();
  t.equal(await first.ended, reason);
});

t.test('both lanes give the bits of a single device', async (t) => {
  const expected = await Promise.all(images.map((each) => alone.segment(each, { imageSize: 64 })));
  const found = await Promise.all(images.map((each) => model.segment(each, { imageSize: 64 })));
  for (const [i, map] of found.entries()) t.ok(sameBits(map.data, expected[i]!.data), `image ${i}`);
  for (const [i, replica] of model.replicas.entries()) {
    const map = await replica.segment(image, { imageSize: 64 });
    t.ok(sameBits(map.data, (await alone.segment(image, { imageSize: 64 })).data), `replica ${i}`);
  }
  const scores = await model.scores(image, { imageSize: 64 });
  t.ok(sameBits(scores.data, (await alone.scores(image, { imageSize: 64 })).data));
  const batch = await model.segmentBatch(images, { imageSize: 64 });
  const wanted = await alone.segmentBatch(images, { imageSize: 64 });
  t.ok(batch.every(({ data }, i) => sameBits(data, wanted[i]!.data)));
});

t.test('percentages and probes work on each of them', async (t) => {
  using one = await openSegmenter({ model: path, imageSize: 64, device: 'cpu' });
  using two = await openSegmenter({ model: path, imageSize: 64, ...both });
  t.same(two.model.devices, ['cpu', 'cpu']);
  const expected = await one.percentages(image);
  t.same(await Promise.all([two.percentages(image), two.percentages(image)]), [expected, expected]);
  const first = occupied(two.model.replicas[0]!);
  const waiting = two.percentages(image);
  t.same(await two.percentages(image), expected, 'of the second');
  first.letGo();
  t.same(await waiting, expected, 'of the first');
  const values = (count: number) => Float32Array.from({ length: count }, (_, i) => 1 + Math.sin(i));
  using probe = await LinearProbe.from({
    ...{ classes: 7, width: 64, weight: values(7 * 64), bias: values(7), gamma: values(64) },
    ...{ beta: values(64), runningMean: values(64), runningVar: values(64).fill(2) },
  });
  const maps = await Promise.all(
    model.replicas.map((replica) => replica.segment(image, { head: probe, imageSize: 64 })),
  );
  t.ok(sameBits(maps[0]!.data, maps[1]!.data));
});

t.test('a head that has changed is copied again, and in the order of the calls', async (t) => {
  using head = ClassHead.create({ hidden: model.hidden, classes: 26, seed: 3, device: 'cpu' });
  const second = model.replicas[1]!;
  const options = { head, imageSize: 64 };
  t.equal(head.on(model), head.handle);
  t.equal(head.on(model.replicas[0]!), head.handle);
  const copy = await head.on(second);
  t.not(copy, head.handle);
  t.equal(await head.on(second), copy, 'made once');
  const check = async (name: string) => {
    const [a, b] = await Promise.all([second.segment(image, options), alone.segment(image, options)]);
    t.ok(sameBits(a.data, b.data), name);
    return b.data;
  };
  const before = await check('as created');
  const state = await head.state();
  state.weight.reverse();
  const restored = head.restore(state);
  const soon = second.segment(image, options);
  await restored;
  const after = await check('as restored');
  t.notOk(sameBits(before, after), 'which is another head');
  t.ok(sameBits((await soon).data, after), 'a call after restore() has the restored head');
  using pixels = Tensor.from(
    Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i)),
    [1, 3, 64, 64],
  );
  using decoded = await model.decode(pixels);
  using labels = Tensor.from(new Uint8Array(64 * 64).fill(4), [1, 64, 64]);
  for (let step = 0; step < 3; step++) {
    await head.accumulate(decoded, labels);
    await head.step({ learningRate: 0.3 });
  }
  t.notOk(sameBits(after, await check('as trained')), 'which is another one again');
  head.dispose();
  t.throws(() => head.on(second), { code: 'DISPOSED' });
});

t.test('a head fits a network by any of its devices', (t) => {
  using head = ClassHead.create({ hidden: model.hidden, classes: 26, device: 'cpu' });
  for (const each of [model, ...model.replicas]) t.doesNotThrow(() => head.assertFits(each));
  t.equal(model.replicas[1]!.ownHead(), model.ownHead(), 'the own head is one');
  t.end();
});

t.test('a detector shares the backbone on each of the devices', async (t) => {
  using single = await DetectionModel.load(at('det.pt'), { shareWith: alone });
  using detector = await DetectionModel.load(at('det.pt'), { shareWith: model });
  t.same([detector.devices, detector.sharedBytes], [['cpu', 'cpu'], single.sharedBytes]);
  const handles = (networks: readonly (SegmentationModel | DetectionModel)[]) =>
    networks.map(({ handle }) => handle);
  t.equal(
    engine().storageBytes(handles([...model.replicas, ...detector.replicas])),
    engine().storageBytes(handles([alone, single])),
  );
  const options = { imageSize: { width: 144, height: 112 }, threshold: 0, top: 20 };
  const expected = await single.detect(image, options);
  t.same(await Promise.all([detector.detect(image, options), detector.detect(image, options)]), [
    expected,
    expected,
  ]);
  for (const replica of detector.replicas) t.same(await replica.detect(image, options), expected);
  using own = await DetectionModel.load(at('det.pt'), both);
  t.same(await own.replicas[1]!.detect(image, options), expected, 'without sharing');
  await t.rejects(DetectionModel.load(at('det.pt'), { shareWith: model, device: 'cpu' }), {
    code: 'DEVICE',
    message: /on cpu,cpu, and the detector would be on cpu: give both the same devices/,
  });
  using beside = await DetectionModel.load(at('det.pt'), { shareWith: model.replicas[1]! });
  t.equal(beside.replica, 1, 'beside a replica it is in its lane');
});

t.test('memory that runs out in one lane leaves the other and itself at work', async (t) => {
  using head = ClassHead.create({ hidden: model.hidden, classes: 26, device: 'cpu' });
  const [first, second] = model.replicas as [SegmentationModel, SegmentationModel];
  const table = new Uint8Array(256);
  const shares = (replica: SegmentationModel, size: number) =>
    classShares(
      replica,
      [{ head, scoring: 'recipe', table }],
      [image],
      { imageSize: { width: size, height: size }, places: 1, soft: false },
      {},
    );
  const [refused, answer] = await Promise.allSettled([shares(second, 2 ** 20), shares(first, 64)]);
  t.match(refused, { status: 'rejected', reason: { code: 'OUT_OF_MEMORY' } });
  t.equal(answer.status, 'fulfilled');
  t.ok(await shares(second, 64));
});

t.test('a model that is disposed of while both lanes run ends their calls first', async (t) => {
  let disposed = false;
  const calls: Promise<unknown>[] = [];
  const two = await SegmentationModel.load(path, both);
  for (const each of images) calls.push(two.segment(each, { imageSize: 64 }));
  const ended = two[Symbol.asyncDispose]().then(() => (disposed = true));
  await t.rejects(two.segment(image), { code: 'DISPOSED' });
  const settled = await Promise.allSettled(calls);
  t.notOk(disposed);
  t.ok(settled.every(({ status }) => status === 'fulfilled'));
  await ended;
  for (const replica of two.replicas) t.throws(() => replica.handle, { code: 'DISPOSED' });
  const other = await SegmentationModel.load(path, both);
  const busy = other.replicas.map((replica) => occupied(replica));
  const running = other.replicas.map(({ handle }) => engine().meet(handle, 2));
  other.dispose();
  other.dispose();
  for (const each of busy) each.letGo();
  await Promise.all(running);
  await t.rejects(other.segment(image), { code: 'DISPOSED' });
});

t.test('loading on several devices that fails leaves nothing', async (t) => {
  await t.rejects(SegmentationModel.load(path, { device: ['cpu', 'gpu'] }), { code: 'DEVICE' });
  await t.rejects(SegmentationModel.load(path, { device: [] }), { code: 'DEVICE' });
  const two = { device: 7 as unknown as string };
  await t.rejects(SegmentationModel.load(path, two), {
    code: 'INVALID_ARGUMENT',
    message: /"device" to be a string or a list of devices, not 7/,
  });
  await t.rejects(engine().copyModel(model.handle, { device: 'gpu', replica: 0 }), { code: 'DEVICE' });
});

t.test('a pool gives work to the item with the least of it, the first of equals', async (t) => {
  const pool = new ReplicaPool(['a', 'b', 'c']);
  const taken: string[] = [];
  const ends: (() => void)[] = [];
  const start = () =>
    pool.run((item) => {
      taken.push(item);
      return new Promise<string>((resolve) => ends.push(() => resolve(item)));
    });
  const calls = [start(), start(), start(), start()];
  t.same(taken, ['a', 'b', 'c', 'a'], 'in the same turn');
  ends[1]!();
  t.equal(await calls[1], 'b');
  void start();
  t.equal(taken.at(-1), 'b');
  await t.rejects(
    pool.run(() => Promise.reject(reason)),
    reason,
  );
  void start();
  t.equal(taken.at(-1), 'b', 'an item whose call failed is free again: b and c had one call each');
  for (const end of ends) end();
});
