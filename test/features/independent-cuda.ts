/** On a GPU, an image's values do not depend on which others are in its pass, nor on its place there: extended tables keep such rows. */
import { join } from 'node:path';
import t from 'tap';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { initModel } from '../../lib/model/init-model.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { numberedPicture } from '../helpers/pictures.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const root = t.testdir();
const pictures = Array.from({ length: 12 }, (_, i) => numberedPicture(i, 160 + 16 * (i % 3), 120));
/** Places of the first picture; the others differ, too. */
const passes = [
  [0, 1, 2, 3],
  [4, 0, 5, 6],
  [7, 8, 0, 9],
  [10, 11, 1, 0],
  [0, 0, 0, 0],
];

for (const [arch, dtype, imageSize, options] of [
  ['tiny', 'float32', 64, {}],
  ['dinov3_vitb16_m2f', 'bfloat16', 256, {}],
  ['dinov3_vitb16_m2f', 'bfloat16', 512, { soft: true }],
] as const)
  t.test(
    `${arch} at ${imageSize} pixels${'soft' in options ? ', from the scores' : ''}`,
    { skip },
    async (t) => {
      const model = join(root, `${arch}.pt`);
      await initModel({ arch, dtype, seed: 1, out: model });
      await using extractor = await openFeatureExtractor({
        ...{ model, set: '230', device: 'cuda:0', imageSize, passSize: 4, ...options },
      });
      t.equal(extractor.isIndependent, true);
      let expected: Float64Array | undefined;
      // Three times: the first passes are not recorded yet.
      for (const _ of [1, 2, 3])
        for (const pass of passes) {
          const found = await extractor.extract(
            pass.map((i) => pictures[i]!),
            {},
          );
          for (const [place, i] of pass.entries()) {
            if (i !== 0) continue;
            const values = Float64Array.from(found[place]!.values);
            expected ??= values;
            t.ok(sameBits(values, expected), `place ${place} of ${pass.join(' ')}`);
          }
        }
    },
  );

t.test('where that is not known, it is not said', async (t) => {
  const model = join(root, 'cpu.pt');
  await initModel({ arch: 'tiny', seed: 1, out: model });
  await using cpu = await openFeatureExtractor({ model, set: '230', device: 'cpu', imageSize: 64 });
  t.equal(cpu.isIndependent, false);
});
