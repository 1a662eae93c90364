/** What calls take besides their results. A file of its own: the peak of a process never falls. */
import { join } from 'node:path';
import t from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { runScript } from '../helpers/command-line.js';
import { writeTinyNetwork } from '../helpers/tiny-network.js';

const paths = await writeTinyNetwork(t.testdir());

t.test('a class map is made in small bands: it takes little more than itself', async (t) => {
  using model = await SegmentationModel.load(paths.model);
  using head = ClassHead.create({ hidden: model.hidden, classes: 151 });
  using images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  using decoded = await model.decode(images);
  /** Highest resident memory in MiB after a class map of this size. */
  const peak = async (width: number, height: number) => {
    (await head.classMap(decoded, { width, height, scoring: 'ade20k' })).dispose();
    return process.resourceUsage().maxRSS / 1024;
  };
  const before = await peak(64, 64);
  const grown = (await peak(1024, 512)) - before;
  t.ok(grown < 32, `150 classes at 1024 × 512, 300 MiB of scores, took ${grown.toFixed(0)} MiB`);
});

t.test('a result that is held takes its own size, not room between what the next calls need', async (t) => {
  const script = join(import.meta.dirname, '../helpers/held-results.mjs');
  const grown = Number(await runScript(script, paths.model)) / 2 ** 20;
  t.ok(grown < 6, `10 class maps, 1.9 MiB, took ${grown.toFixed(1)} MiB`);
});
