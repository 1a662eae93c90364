/** The way of loading that GPUs take, on the CPU: the same network, without a second copy of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { runJob } from '../../lib/native/job.js';
import { entriesOf, zipOf } from '../helpers/zip.js';

const folder = t.testdir();
const path = join(folder, 'network.pt');
await initModel({ arch: 'deep' as 'tiny', seed: 2, dtype: 'bfloat16', out: path });
const images = Tensor.from(
  Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i / 9)),
  [1, 3, 64, 64],
);

t.test('staged loading gives the same network', async (t) => {
  const progress: [number, number][] = [];
  const options = { onProgress: (done: number, total: number) => void progress.push([done, total]) };
  const staged = await runJob(options, (job) => engine().loadStaged(path, 'cpu', job));
  t.ok(staged, 'the file is taken');
  using plain = await SegmentationModel.load(path);
  const [a, b] = await Promise.all([
    engine().taps(staged!, images.handle),
    engine().taps(plain.handle, images.handle),
  ]);
  for (const name of Object.keys(b))
    t.same(await Tensor.wrap(a[name]!).floats(), await Tensor.wrap(b[name]!).floats(), name);
  t.match(engine().modelInfo(staged!), { id: plain.id, parameters: plain.parameters, dtype: 'bfloat16' });
  t.ok(progress.every(([done, total]) => done <= total) && progress.at(-1)![0] === progress.at(-1)![1]);
  engine().dispose(staged!);
});

t.test('a job that is stopped stops it; files made elsewhere and mistakes are told', async (t) => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const options = { signal: controller.signal, onProgress: () => controller.abort(reason) };
  await t.rejects(
    runJob(options, (job) => engine().loadStaged(path, 'cpu', job)),
    reason,
  );
  await t.rejects(engine().loadStaged(join(folder, 'none.pt'), 'cpu'), { code: 'FILE_NOT_FOUND' });
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  const staged = await engine().loadStaged(foreign, 'cpu');
  t.ok(staged, 'a file made elsewhere is taken as well');
  t.match(engine().modelInfo(staged!), { hidden: 8, classes: 6 });
});

t.test("a file with tensors inside of its code is left to libtorch's own loading", async (t) => {
  const entries = await entriesOf(join(import.meta.dirname, '../fixtures/torchscript/foreign.pt'));
  const withConstant = join(folder, 'constant.pt');
  writeFileSync(
    withConstant,
    zipOf([...entries, { name: 'foreign/constants/0', data: 'aaaa', stored: true }]),
  );
  t.equal(await engine().loadStaged(withConstant, 'cpu'), null);
  using model = await SegmentationModel.load(withConstant);
  t.equal(model.hidden, 8);
});
