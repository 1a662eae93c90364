/** A network that takes long enough for what happens in the middle of a forward pass: 0.1 s at 256 pixels. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { engine } from '../../lib/native/engine.js';

/** Writes random checkpoints and their network; returns the paths. */
export async function writeTinyNetwork(
  folder: string,
): Promise<{ backbone: string; head: string; model: string }> {
  const paths = {
    backbone: join(folder, 'backbone.safetensors'),
    head: join(folder, 'head.safetensors'),
  };
  const model = join(folder, 'model.pt');
  await engine().initCheckpoint({ architecture: 'tiny', seed: 1, ...paths });
  await convert({ ...paths, out: model });
  return { ...paths, model };
}

/** Pixels of a made-up image. */
export function picture(width: number, height: number, channels: 1 | 3 | 4 = 3) {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 7919) >> 3);
  return { data, width, height, channels };
}
