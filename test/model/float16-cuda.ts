/** Precision float16 on CUDA: recorded passes, several lanes, streamed weights, and passes that are run again. */
import t from 'tap';
import type { LoadOptions } from '../../lib/model/load-options.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { relativeError, sameBits } from '../helpers/close.js';
import { rangeWarnings, scaledModel } from '../helpers/float16.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaModel } from '../helpers/network.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const image = formulaTensor('image', [1, 3, 64, 64]);
const load = (path: string, options: LoadOptions = {}) =>
  SegmentationModel.load(path, { device: 'cuda:0', dtype: 'bfloat16', precision: 'float16', ...options });

async function masksOf(model: SegmentationModel): Promise<Float32Array> {
  using images = Tensor.from(image.data, image.shape);
  using decoded = await model.decode(images);
  return decoded.masks.floats();
}

t.test('ordinary, recorded, replayed and streamed passes give the same bits', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  using plain = await load(path, { cudaGraphs: false });
  const expected = await masksOf(plain);
  using recorded = await load(path);
  for (const pass of ['first', 'recorded', 'replayed'])
    t.ok(sameBits(await masksOf(recorded), expected), pass);
  const { largest, passes, runAgain } = recorded.float16!;
  t.same([passes, runAgain], [3, 0]);
  t.equal(largest, plain.float16!.largest);
  t.ok(largest > 1 && largest < 6550, `${largest}`);
  using streamed = await load(path, { weights: 'stream' });
  t.ok(sameBits(await masksOf(streamed), expected), 'streamed');
  using lanes = await load(path, { device: 'cuda:0,cuda:0' });
  const masks = await Promise.all(lanes.replicas.flatMap((model) => [masksOf(model), masksOf(model)]));
  t.ok(
    masks.every((values) => sameBits(values, expected)),
    'two lanes at once',
  );
  t.equal(lanes.float16!.passes, 4);
  using tf32 = await load(path, { precision: 'tf32' });
  t.notOk(sameBits(await masksOf(tf32), expected), 'TF32 is something else');
  using cpu = await load(path, { device: 'cpu' });
  await engine().useFloat16(cpu.handle);
  const error = relativeError(expected, await masksOf(cpu));
  t.ok(error < 0.05, `${error} from the CPU's`);
});

t.test('a pass that float16 cannot hold gives the bits of tf32, recorded or not', { skip }, async (t) => {
  const path = await scaledModel(t.testdir(), 'input_convs.0.1.weight', 1e7);
  using tf32 = await load(path, { precision: 'tf32' });
  const expected = await masksOf(tf32);
  const texts = await rangeWarnings(async () => {
    using model = await load(path, { device: 'cuda:0,cuda:0' });
    for (const pass of ['first', 'recorded', 'replayed'])
      for (const replica of model.replicas) t.ok(sameBits(await masksOf(replica), expected), pass);
    t.match(model.float16, { largest: 0, passes: 6, runAgain: 6 });
  });
  t.equal(texts.length, 1);
});

t.test('the process computes sums of float16 products in float32', { skip }, async (t) => {
  // 4096 ones and as many 2⁻⁵: in float16 a sum of 4096 would not grow by them.
  const [rows, inner] = [64, 8192];
  const half = async (values: Float32Array, shape: number[]) =>
    engine().callOperator('aten::to.dtype_layout', [
      engine().tensor(values, shape),
      ...(['float16', undefined, 'cuda:0'] as const),
    ]);
  const a = await half(
    Float32Array.from({ length: rows * inner }, (_, i) => (i % inner < 4096 ? 1 : 2 ** -5)),
    [rows, inner],
  );
  const b = await half(new Float32Array(inner * rows).fill(1), [inner, rows]);
  const product = Tensor.wrap((await engine().callOperator('aten::mm', [a as never, b as never])) as never);
  const values = await product.floats();
  t.ok(
    values.every((value) => value === 4096 + 128),
    `${values[0]}`,
  );
});
