/** What the server of the examples is started with: a small random network, a head for it and drawn scenes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { ClassHead, encodePng, loadClassSet } from '../dist/index.js';
import { loadNetwork } from './network.mjs';

/** Scenes of 256×192 and a head for images of 64×64, in a folder that goes with the process. */
export async function writeDemoFiles({ scenes = 3, imageSize = 64 } = {}) {
  const { paths, model } = await loadNetwork();
  const made = ClassHead.create({ hidden: model.hidden, classes: await loadClassSet('idd26'), seed: 3 });
  const head = join(paths.folder, 'trained-head.safetensors');
  await made.save(head, { metadata: { imageSize } });
  made.dispose();
  model.dispose();
  const files = { model: paths.model, head, scenes: [] };
  for (let index = 0; index < scenes; index++) {
    const { image } = await drawScene({ seed: 5, index, width: 256, height: 192 });
    const path = join(paths.folder, `scene${index}.png`);
    writeFileSync(path, await encodePng(image.data, image.width, image.height, 3));
    files.scenes.push(path);
  }
  return files;
}

/** The value that `share` of all are not above; 0 of nothing. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

export function median(values) {
  return percentile(values, 0.5);
}
