/** Several lanes at work when an environment or the process ends, and what they share of the process. */
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Admission } from '../../lib/model/admission.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { startProgram } from '../helpers/command-line.js';
import { picture, writeTinyNetwork } from '../helpers/tiny-network.js';

const root = t.testdir();
const paths = await writeTinyNetwork(root);
const dist = (name: string) => new URL(`../../dist/${name}.js`, import.meta.url).href;

/** Occupies both lanes of a network, one with passes and one with a job that waits, and queues more in each. */
const busy = `
  import { SegmentationModel } from ${JSON.stringify(dist('index'))};
  import { engine } from ${JSON.stringify(dist('native/engine'))};
  const model = await SegmentationModel.load(${JSON.stringify(paths.model)}, { device: 'cpu,cpu' });
  const pixels = { data: new Uint8Array(3 * 512 * 512), width: 512, height: 512, channels: 3 };
  const [first, second] = model.replicas;
  await Promise.all(model.replicas.map(({ handle }) => engine().meet(handle, 2)));
  const calls = [engine().meet(second.handle, 99), engine().meet(second.handle, 99)];
  for (let i = 0; i < 4; i++) calls.push(first.segment(pixels, { imageSize: 512 }));
`;

t.test('a worker_thread that ends with both lanes busy leaves them to the others', async (t) => {
  using model = await SegmentationModel.load(paths.model, { device: 'cpu,cpu' });
  const image = picture(64, 64);
  const expected = await model.segment(image, { imageSize: 64 });
  for (let round = 0; round < 2; round++) {
    const source = `${busy} (await import('node:worker_threads')).parentPort.postMessage('busy');
      await Promise.all(calls);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      execArgv: [],
    });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const own = model.replicas.map((replica) => replica.segment(image, { imageSize: 64 }));
    t.equal(await worker.terminate(), 1);
    for (const map of await Promise.all(own)) t.ok(sameBits(map.data, expected.data));
  }
});

t.test('the process ends with both lanes busy, with its own exit code', async (t) => {
  const run = async (end: string) => {
    const { ended } = startProgram(process.execPath, ['--input-type=module', '-e', busy + end], {});
    const { code, signal, stderr } = await ended;
    return { code, signal, stderr };
  };
  t.same(await run('process.exit(3);'), { code: 3, signal: null, stderr: '' });
  t.match(await run("throw new Error('enough');"), { code: 1, signal: null, stderr: /Error: enough/ });
  t.same(await run("process.kill(process.pid, 'SIGTERM'); await Promise.all(calls);"), {
    ...{ code: null, signal: 'SIGTERM', stderr: '' },
  });
});

t.test('threads share the switch of TF32, and never see that of those who want the other', async (t) => {
  t.equal((await engine().callOperator('dinov3_seg_reference::tf32_turns', [8, 200])) as unknown, 0);
});

t.test('a call of a model on several devices has room for as many calls on each', async (t) => {
  const admission = new Admission({ calls: 2, bytes: 100 });
  const places = await Promise.all([admission.enter(), admission.enter()]);
  const controller = new AbortController();
  const left = Promise.resolve(admission.enter(controller.signal));
  controller.abort();
  await t.rejects(left);
  const third = await admission.enter(undefined, 2);
  third.hold(150);
  const fourth = await admission.enter(undefined, 2);
  const order: string[] = [];
  const fifth = Promise.resolve(admission.enter(undefined, 2)).then((place) => (order.push('fifth'), place));
  places[0]!.leave();
  (await fifth).leave();
  t.same(order, ['fifth']);
  for (const place of [places[1]!, third, fourth]) place.leave();
});
