/** Comparisons on a GPU: kept outputs of the host meet outputs of the device. */
import { join } from 'node:path';
import t from 'tap';
import { compare } from '../../lib/compare/compare.js';
import { decodeImage } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { NetworkPrecision } from '../../lib/native/bindings/engine.js';
import { close, relativeError } from '../helpers/close.js';
import { scenesAndHead } from '../helpers/scenes-and-head.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const device = 'cuda:0';

t.test('two precisions on a GPU, image by image and in lanes', { skip }, async (t) => {
  const root = t.testdir();
  const { settings, dataset } = await scenesAndHead(root);
  // A float32 layer: a bfloat16 one would round most of the difference away.
  const head = join(root, 'head.safetensors');
  const images = dataset.pairs.map(({ image }) => image);
  const network = { model: settings.model, head, dtype: 'bfloat16' } as const;
  const sides = [
    { ...network, precision: 'tf32' },
    { ...network, precision: 'reference' },
  ] as const;
  const outputsOf = async (precision: NetworkPrecision) => {
    using model = await SegmentationModel.load(settings.model, { device, dtype: 'bfloat16', precision });
    using own = await ClassHead.load(head, { device });
    const outputs: [logits: Float32Array, masks: Float32Array][] = [];
    for (const path of images) {
      const place = { width: 64, height: 64, device, normalization: model.normalization };
      using pixels = Tensor.wrap(await engine().prepareImages([await decodeImage(path)], place));
      using decoded = await model.decode(pixels);
      using logits = await own.forward(decoded.queries);
      outputs.push([await logits.floats(), await decoded.masks.floats()]);
    }
    return outputs;
  };
  const result = await compare(...sides, images, { device, imageSize: 64, passSize: 1 });
  const [ours, theirs] = [await outputsOf('tf32'), await outputsOf('reference')];
  for (const [i, { classLogits, maskLogits, samePixels }] of result.perImage.entries()) {
    const expected = [0, 1].map((part) => relativeError(ours[i]![part]!, theirs[i]![part]!));
    close(t, `image ${i}`, [classLogits!, maskLogits!], expected, { rtol: 0.05, atol: 1e-5 });
    t.ok(samePixels > 0.9);
  }
  const lanes = await compare(...sides, images, {
    device: `${device},${device}`,
    imageSize: 64,
    passSize: 2,
  });
  close(t, 'lanes', [lanes.samePixels!.mean], [result.samePixels!.mean], { atol: 0.02 });
});
