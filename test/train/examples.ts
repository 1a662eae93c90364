/** Examples of validation images, of live training and of caches of any kind. */
import { rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { decodeImage } from '../../lib/data/decode.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { openHead } from '../../lib/model/open-head.js';
import { scoringOf } from '../../lib/model/scoring.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { readEvents, type ReadEvent } from '../helpers/event-file.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const [width, height] = [64, 64];
// Scenes of the network's own size: a class map of the engine at that size is what the examples should show.
const settings = {
  ...(await tinySettings(root, { train: 6, val: 5, width, height })),
  epochs: 2,
  flip: 0,
};
const classSet = await loadClassSet('idd26');
const val = await SegmentationDataset.open(settings.data, 'val', classSet);

async function imagesOf(run: string): Promise<ReadEvent[]> {
  const names = (await readdir(run)).filter((name) => name.startsWith('events.'));
  const events = await Promise.all(names.map(async (name) => readEvents(await readFile(join(run, name)))));
  return events.flat().filter(({ images }) => Object.keys(images).length > 0);
}

/** Class indices of a third of an example, by its colours. */
function third(rgb: Uint8Array, place: number): number[] {
  const byColor = new Map(classSet.classes.map(({ index, color }) => [color.join(), index]));
  return Array.from({ length: width * height }, (_, i) => {
    const at = 3 * (Math.floor(i / width) * 3 * width + place * width + (i % width));
    return byColor.get(rgb.subarray(at, at + 3).join()) ?? 255;
  });
}

const cases: Record<string, Partial<TrainConfig>> = {
  live: { mode: 'live' },
  'cached in float32': { mode: 'cached', cacheDtype: 'float32' },
  'cached in bfloat16': { mode: 'cached' },
  'cached in uint8': { mode: 'cached', cacheDtype: 'uint8' },
  'cached, with "no object"': { mode: 'cached', cacheDtype: 'float32', loss: 'mask2former' },
  'linear probe': { mode: 'cached', headKind: 'linear_probe' },
};
for (const [title, given] of Object.entries(cases))
  await t.test(`examples show photo, label and prediction of the best head: ${title}`, async (t) => {
    const out = join(root, title.replaceAll(/\W+/g, '-'));
    const { best } = await train({ ...settings, ...given, out });
    const events = await imagesOf(out);
    t.same(
      events.map(({ step, images }) => [step, ...Object.keys(images)]),
      [0, 1, 2, 3].map((index) => [best!.epoch, `example/${val.pairs[index]!.name}`]),
    );
    using model = await SegmentationModel.load(settings.model, { device: 'cpu' });
    using head = await openHead(join(out, 'best.safetensors'));
    const scoring = scoringOf(head, classSet);
    for (const [place, { images }] of events.entries()) {
      const [example] = Object.values(images);
      t.match(example, { width: 3 * width, height, channels: 3 });
      const { data } = await decodeImage(example!.png);
      const { image, label } = await val.load(place);
      const photo = Buffer.from(data.subarray(0, 3 * width));
      t.ok(photo.equals(image.data.subarray(0, 3 * width)), 'the first row of the photo');
      t.same(third(data, 1), [...label.data]);
      const map = await model.segment(image, { head, imageSize: { width, height }, scoring });
      const shown = third(data, 2);
      const same = shown.filter((index, i) => index === map.data[i]).length / shown.length;
      const rounded = given.mode === 'cached' && given.cacheDtype !== 'float32';
      t.ok(rounded ? same > 0.97 : same === 1, `${same} of the pixels are the same`);
    }
  });

t.test('where examples cannot be made, the run ends well and its log says why', async (t) => {
  const out = join(root, 'without');
  const lines: string[] = [];
  // The best head is there when the last epoch ends, and gone when it is to be looked at.
  const onEpoch = ({ epoch }: { epoch: number }) => epoch === 2 && rmSync(join(out, 'best.safetensors'));
  const onLog = (line: string) => void lines.push(line);
  const { epochs } = await train({ ...settings, mode: 'cached', out }, { onEpoch, onLog });
  t.equal(epochs, 2);
  t.match(lines.join('\n'), /no examples for TensorBoard: FILE_NOT_FOUND: .*best\.safetensors/);
  t.same(await imagesOf(out), []);
});
