/** NaN and infinite values on a GPU, where nothing waits for the marks; views of panoramas beside a network's passes. */
import t from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { inspect } from '../../lib/model/convert.js';
import { panoramaViews } from '../../lib/model/panorama.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { writeFormulaModel } from '../helpers/network.js';
import { drawnPanorama } from '../helpers/panorama.js';
import { spoiltFile } from '../helpers/spoilt-network.js';
import { picture } from '../helpers/tiny-network.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const device = 'cuda:0';

t.test('the image is named, recorded passes included', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  const values = new Float32Array(2 * 3 * 64 * 64).fill(0.5);
  values[3 * 64 * 64] = NaN;
  for (const cudaGraphs of [false, true]) {
    using model = await SegmentationModel.load(path, { device, cudaGraphs });
    using batch = Tensor.from(values, [2, 3, 64, 64]);
    const second = { code: 'MODEL_VALUES', message: /for image 2 of the pass/ };
    for (let time = 0; time < 3; time++) await t.rejects(model.decode(batch), second, `graphs ${cudaGraphs}`);
    const image = { ...picture(80, 60), name: 'street.png' };
    using head = ClassHead.create({ hidden: model.hidden, classes: 5, device, seed: 1 });
    for (let time = 0; time < 3; time++)
      await t.resolves(model.segmentBatch([image, image], { head, imageSize: 64 }), 'a sound pass');
    const state = await head.state();
    state.bias[0] = NaN;
    await head.restore(state);
    const named = { code: 'MODEL_VALUES', message: /for street\.png,/ };
    await t.rejects(model.segmentBatch([image, image], { head, imageSize: 64 }), named, 'whole');
    await t.rejects(model.segment(image, { head, imageSize: 64, mode: 'slide' }), named, 'slide');
  }
});

t.test(
  'of masks alone, class logits alone, and places where maps are read, no class map is made',
  { skip },
  async (t) => {
    const root = t.testdir();
    const sound = await writeFormulaModel(root);
    const { tensors } = await inspect(sound);
    const places = tensors.map(({ name }) => name).filter((name) => name.endsWith('.sampling_offsets.bias'));
    const parts = ['mask_embed.layers.2', 'class_embed'];
    for (const part of [...parts.map((part) => `segmentation_model.1.predictor.${part}.bias`), ...places]) {
      const path = await spoiltFile(sound, `${root}/spoilt.pt`, part);
      for (const cudaGraphs of [false, true]) {
        using model = await SegmentationModel.load(path, { device, cudaGraphs });
        for (let time = 0; time < 3; time++)
          await t.rejects(model.segment(picture(80, 60), { imageSize: 64 }), { code: 'MODEL_VALUES' }, part);
      }
    }
  },
);

t.test('views are made while passes run, and are those of the CPU', { skip }, async (t) => {
  using model = await SegmentationModel.load(await writeFormulaModel(t.testdir()), { device });
  using head = ClassHead.create({ hidden: model.hidden, classes: 5, device, seed: 1 });
  const height = 256;
  const data = drawnPanorama(height, ([x, y, z]) => 128 + 60 * x * y - 50 * y + 40 * z * x);
  const panorama = { data, width: 2 * height, height };
  const options = { size: 96, pitch: 15, yaw: 170 };
  const [on, beside] = await Promise.all([
    Promise.all([1, 2, 3].map(() => panoramaViews(panorama, { ...options, device }))),
    Promise.all([1, 2, 3, 4].map(() => model.segment(picture(80, 60), { head, imageSize: 64 }))),
  ]);
  t.equal(beside.length, 4);
  const expected = await panoramaViews(panorama, { ...options, device: 'cpu' });
  for (const views of on)
    for (const [i, { data: found }] of views.entries()) {
      let worst = 0;
      for (const [k, value] of expected[i]!.data.entries())
        worst = Math.max(worst, Math.abs(value - found[k]!));
      t.ok(worst <= 1, `view ${i}: ${worst}`);
    }
});
