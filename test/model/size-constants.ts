/** What depends on the size of the images alone is computed once for a size: results stay those of a first pass. */
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';

const sizes = [
  [1, 3, 64, 96],
  [1, 3, 96, 64],
  [2, 3, 64, 96],
  [1, 3, 64, 96],
  [1, 3, 128, 128],
];

async function outputsOf(model: SegmentationModel, shape: number[]): Promise<Float32Array[]> {
  using images = Tensor.from(formulaTensor('image', shape).data, shape);
  const wanted = { decoded: model.provides.includes('decoded'), features: 1 } as const;
  const { queries, masks, features } = await engine().outputs(model.handle, images.handle, wanted);
  const tensors = [queries, masks, features]
    .filter((handle) => handle !== undefined)
    .map((handle) => Tensor.wrap(handle));
  return Promise.all(tensors.map((tensor) => tensor.floats()));
}

for (const arch of ['tiny', 'tiny-backbone'] as const)
  for (const dtype of ['float32', 'bfloat16'] as const)
    t.test(`${arch} in ${dtype}: passes of several sizes in turn`, async (t) => {
      using model = await SegmentationModel.init({ arch: arch as 'tiny', seed: 2, dtype, device: 'cpu' });
      for (const shape of sizes) {
        using fresh = await SegmentationModel.init({ arch: arch as 'tiny', seed: 2, dtype, device: 'cpu' });
        const expected = await outputsOf(fresh, shape);
        for (const pass of [1, 2]) {
          const found = await outputsOf(model, shape);
          t.equal(found.length, expected.length);
          t.ok(
            found.every((values, i) => sameBits(values, expected[i]!)),
            `pass ${pass} of ${shape.join('×')}`,
          );
        }
      }
    });
