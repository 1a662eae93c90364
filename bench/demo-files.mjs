/** The small random network of the demo, a head for it and drawn scenes, as files; and medians. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawScene } from '../dist/demo/scenes.js';
import { ClassHead, SegmentationModel, convert, encodePng, loadClassSet } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';

/** Three scenes of 256×192; the head was made for images of 64×64. */
export async function writeDemoFiles(folder, { scenes = 3, imageSize = 64 } = {}) {
  const backbone = join(folder, 'backbone.safetensors');
  const released = join(folder, 'released-head.safetensors');
  const model = join(folder, 'model.pt');
  const head = join(folder, 'head.safetensors');
  await engine().initCheckpoint({ architecture: 'tiny', seed: 7, backbone, head: released });
  await convert({ backbone, head: released, out: model });
  const network = await SegmentationModel.load(model);
  const made = ClassHead.create({ hidden: network.hidden, classes: await loadClassSet('idd26'), seed: 3 });
  await made.save(head, { metadata: { imageSize } });
  made.dispose();
  network.dispose();
  const paths = [];
  for (let index = 0; index < scenes; index++) {
    const { image } = await drawScene({ seed: 5, index, width: 256, height: 192 });
    paths.push(join(folder, `scene${index}.png`));
    writeFileSync(paths[index], await encodePng(image.data, image.width, image.height, 3));
  }
  return { model, head, scenes: paths };
}

/** The value that `share` of all are not above; 0 of nothing. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

export function median(values) {
  return percentile(values, 0.5);
}
