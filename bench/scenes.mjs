/** Data sets of any size from the drawn scenes that the package ships: no workspace package, no TypeScript. */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { shippedCounts, writeShippedScenes } from '../dist/demo/shipped-scenes.js';

const endings = { leftImg8bit: '_leftImg8bit.png', gtFine: '_gtFine_labellevel3Ids.png' };

/** Writes a data set in the Cityscapes layout; with more images than there are scenes, scenes occur several times. */
export async function writeScenes(folder, counts) {
  const shipped = `${folder}-shipped`;
  const least = (split) => Math.min(counts[split], shippedCounts[split]);
  await writeShippedScenes(shipped, 'data', { train: least('train'), val: least('val') });
  for (const [split, count] of Object.entries(counts))
    for (const [kind, ending] of Object.entries(endings)) {
      const from = join(shipped, kind, split);
      const files = readdirSync(from, { recursive: true }).filter((name) => name.endsWith(ending));
      mkdirSync(join(folder, kind, split, 'scene'), { recursive: true });
      for (let i = 0; i < count; i++)
        copyFileSync(
          join(from, files.sort()[i % files.length]),
          join(folder, kind, split, 'scene', `${String(i).padStart(6, '0')}${ending}`),
        );
    }
}
