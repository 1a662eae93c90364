/** What the examples are given: a small network, a head for it and drawn scenes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng } from '../../lib/data/decode.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { drawScene } from '../../packages/street-scenes/lib/scenes.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { classPercentages, type ClassShare } from '../../lib/report/class-statistics.js';
import { colorize } from '../../lib/report/colorize.js';
import { writeFormulaModel } from './network.js';

export interface ExampleFiles {
  model: string;
  head: string;
  /** Paths of two images of 96×64. */
  scenes: string[];
  /** For each scene: what `segment` says when called here. */
  direct: { map: Uint8Array; shares: ClassShare[]; rgb: Uint8Array }[];
}

export const exampleSize = { width: 96, height: 64 };

export async function writeExampleFiles(folder: string): Promise<ExampleFiles> {
  const { width, height } = exampleSize;
  const imageSize = 64;
  const modelPath = await writeFormulaModel(folder);
  const headPath = join(folder, 'trained-head.safetensors');
  using model = await SegmentationModel.load(modelPath);
  const classSet = await loadClassSet('idd26');
  using head = ClassHead.create({ hidden: model.hidden, classes: classSet, seed: 3 });
  await head.save(headPath, { metadata: { imageSize } });
  const files: ExampleFiles = { model: modelPath, head: headPath, scenes: [], direct: [] };
  for (const index of [0, 1]) {
    const { image } = await drawScene({ seed: 5, index, width, height });
    const path = join(folder, `scene${index}.png`);
    await writeFile(path, await encodePng(image.data, width, height, 3));
    const { data } = await model.segment(path, { head, imageSize });
    const shares = classPercentages(data, classSet).filter(({ pixels }) => pixels > 0);
    files.scenes.push(path);
    files.direct.push({ map: data, shares, rgb: colorize(data, classSet) });
  }
  return files;
}
