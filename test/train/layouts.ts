/** Training on data of other layouts than that of Cityscapes. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t from 'tap';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { train } from '../../lib/train/loop.js';
import { runCommand } from '../helpers/command-line.js';
import { asFlags, readMetrics, readTensors, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = { ...(await tinySettings(root)), mode: 'cached' as const };
const idd26 = await loadClassSet('idd26');
const pairsOf = async (split: string) => (await SegmentationDataset.open(settings.data, split, idd26)).pairs;

t.test('lists of the same files give the same run', async (t) => {
  const data = join(root, 'lists');
  await mkdir(data);
  for (const split of ['train', 'val']) {
    const lines = (await pairsOf(split)).map(({ image, label }) => `${relative(data, image)}\t${label}\n`);
    await writeFile(join(data, `${split}.txt`), lines.join(''));
  }
  const [own, listed] = [join(root, 'own'), join(root, 'listed')];
  await train({ ...settings, out: own });
  await train({ ...settings, data, out: listed });
  t.same(readMetrics(listed), readMetrics(own));
  t.same(readTensors(listed, 'best'), readTensors(own, 'best'));
});

t.test(
  'plain folders with a share for validation: trained, evaluated, resumed with the same share only',
  async (t) => {
    const data = join(root, 'plain');
    for (const folder of ['images', 'masks']) await mkdir(join(data, folder), { recursive: true });
    for (const [i, { image, label }] of [...(await pairsOf('train')), ...(await pairsOf('val'))].entries()) {
      await copyFile(image, join(data, 'images', `${i}.png`));
      await copyFile(label, join(data, 'masks', `${i}.png`));
    }
    const out = join(root, 'shared-out');
    await t.rejects(train({ ...settings, data, out }), { code: 'DATASET', message: /--val-share/ });
    const share = { valShare: 0.4 };
    const { epochs } = await train({ ...settings, ...share, data, out, epochs: 1 });
    t.equal(epochs, 1);
    const val = await SegmentationDataset.open(data, 'val', idd26, share);
    t.ok(val.length > 0 && val.length < 12);

    const head = join(out, 'best.safetensors');
    const flags = asFlags({ model: settings.model, data, ...share });
    const { code, stdout, stderr } = await runCommand(['eval', '--head', head, ...flags, '--json']);
    t.equal(code, 0, stderr);
    t.equal((JSON.parse(stdout) as { images: number }).images, val.length);

    const changed = train({ out, valShare: 0.5 }, { resume: true });
    await t.rejects(changed, { code: 'RUN', message: /valShare: 0\.4 → 0\.5/ });
    t.equal((await train({ out, layout: 'folders' }, { resume: true })).epochs, 1);
  },
);
