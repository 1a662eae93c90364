/** Training on IDD's polygons, read directly, against training on the label images made of them. */
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { prepareIdd } from '../../lib/data/prepare-idd.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { cacheSource } from '../helpers/tiny-cache.js';
import { readMetrics, readTensors, tinySettings } from '../helpers/tiny-run.js';
import { handMade } from '../helpers/polygons.js';

const root = t.testdir();
const [width, height] = [200, 150];
const settings = await tinySettings(root, { train: 4, val: 2, width, height });

/** The same pictures, their labels as polygons: the hand-made annotation without some of its objects. */
let frames = 0;
for (const split of ['train', 'val']) {
  const folder = join(settings.data, 'gtFine', split, 'scene');
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name));
    if (!name.endsWith('labellevel3Ids.png')) continue;
    const { annotation } = handMade();
    annotation.objects.splice(2 + (frames++ % 3), 7);
    writeFileSync(
      join(folder, name.replace('labellevel3Ids.png', 'polygons.json')),
      JSON.stringify(annotation),
    );
  }
}
t.equal(frames, 6);
const labels = join(root, 'labels');
t.equal((await prepareIdd(settings.data, { out: labels })).written, 6);

/** Puts the label images beside the polygons. */
function useImages(): void {
  for (const split of ['train', 'val'])
    for (const name of readdirSync(join(labels, 'gtFine', split, 'scene')))
      renameSync(
        join(labels, 'gtFine', split, 'scene', name),
        join(settings.data, 'gtFine', split, 'scene', name),
      );
}

const modes: Partial<TrainConfig>[] = [{ mode: 'live' }, { mode: 'cached', views: 0 }];
t.test('polygons and label images give the same bits', async (t) => {
  const run = async (mode: Partial<TrainConfig>, kind: string) => {
    const out = join(root, `${mode.mode}-${kind}`);
    await train({ ...settings, ...mode, out });
    return { metrics: readMetrics(out), best: readTensors(out, 'best') };
  };
  const read = async (kind: string) => Promise.all(modes.map((mode) => run(mode, kind)));
  const { key: polygonsKey, datasets } = await cacheSource(settings);
  t.equal(datasets.train.labelKind, 'polygons');
  const fromPolygons = await read('polygons');
  useImages();
  const { key: imagesKey, datasets: images } = await cacheSource(settings);
  t.equal(images.train.labelKind, 'labellevel3Ids');
  const fromImages = await read('images');
  t.same(fromPolygons, fromImages);
  t.ok(fromImages[0]!.metrics.length > 1);

  t.match(polygonsKey, { labelKind: 'polygons', preprocessing: /nearest \(1\); polygons 2$/ });
  t.match(imagesKey, { labelKind: 'labellevel3Ids', preprocessing: /nearest \(1\)$/ });
});
