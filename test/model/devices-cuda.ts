/** Several lanes on CUDA devices against one; skips where none answers, or a single one. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { picture } from '../helpers/tiny-network.js';

const { cudaDevices } = engine().info();
const skip = cudaDevices > 0 ? false : 'no CUDA device answers';
const skipSingle = cudaDevices > 1 ? false : `${cudaDevices} CUDA devices answer: this needs two`;
const lists: [string, string | false][] = [
  ['cuda:0,cuda:0', skip],
  ['cuda:0,cuda:1', skipSingle],
];

const root = t.testdir();
const paths = { bfloat16: join(root, 'bfloat16.pt'), float32: join(root, 'float32.pt') };
if (!skip)
  for (const dtype of ['bfloat16', 'float32'] as const)
    await initModel({ arch: 'dinov3_vits16_m2f', seed: 2, dtype, out: paths[dtype], device: 'cpu' });

const images = Array.from({ length: 24 }, (_, i) => picture(200 + 7 * i, 160));
// Three sizes: passes are plain at first, then recorded, then replayed.
const sizeOf = (i: number) => [256, 320, 384][i % 3]!;

/** The scores of all images, asked for at once. */
async function scoresOf(model: SegmentationModel, head?: ClassHead) {
  const maps = await Promise.all(
    images.map((image, i) => model.scores(image, { imageSize: sizeOf(i), ...(head && { head }) })),
  );
  return maps.map(({ data }) => data);
}

function same(t: Test, name: string, found: Float32Array[], expected: Float32Array[]): void {
  t.same(
    found.flatMap((data, i) => (sameBits(data, expected[i]!) ? [] : [i])),
    [],
    name,
  );
}

for (const [device, skipped] of lists) {
  t.test(`${device}: the bits of one device, with recorded passes`, { skip: skipped }, async (t) => {
    using one = await SegmentationModel.load(paths.bfloat16, { device: 'cuda:0' });
    using two = await SegmentationModel.load(paths.bfloat16, { device });
    t.equal(two.devices.join(), device);
    const expected = await scoresOf(one);
    for (const round of [1, 2, 3]) same(t, `round ${round}`, await scoresOf(two), expected);
    await Promise.all(two.replicas.map(({ handle }) => engine().meet(handle, 2)));
    for (const replica of two.replicas) same(t, `${replica.device}`, await scoresOf(replica), expected);
    using head = ClassHead.create({ hidden: one.hidden, classes: 26, seed: 4, device: 'cuda:0' });
    const scored = await scoresOf(one, head);
    same(t, 'another head', await scoresOf(two, head), scored);
  });

  t.test(`${device}: float32 stays float32 beside TF32 in the other lane`, { skip: skipped }, async (t) => {
    const plain = { device, cudaGraphs: false };
    using exact = await SegmentationModel.load(paths.float32, plain);
    using rounded = await SegmentationModel.load(paths.bfloat16, plain);
    const [expected, expectedRounded] = [await scoresOf(exact), await scoresOf(rounded)];
    const [found, foundRounded] = await Promise.all([scoresOf(exact), scoresOf(rounded)]);
    same(t, 'float32', found, expected);
    same(t, 'TF32', foundRounded, expectedRounded);
  });
}

t.test('weights are copied to each device, once', { skip: skipSingle }, async (t) => {
  const all = (model: SegmentationModel) => engine().storageBytes(model.replicas.map(({ handle }) => handle));
  using one = await SegmentationModel.load(paths.bfloat16, { device: 'cuda:1' });
  using beside = await SegmentationModel.load(paths.bfloat16, { device: 'cuda:1,cuda:1' });
  using two = await SegmentationModel.load(paths.bfloat16, { device: 'cuda:1,cuda:0' });
  t.equal(all(beside), all(one));
  t.equal(all(two), 2 * all(one));
  using every = await SegmentationModel.load(paths.bfloat16, { device: 'cuda' });
  t.equal(every.devices.length, cudaDevices);
});
