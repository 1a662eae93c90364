/** A network that takes long enough for what happens in the middle of a forward pass: 0.1 s at 256 pixels. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { madeOnce } from './made-once.js';
import { initCheckpoint } from './operators.js';

/** Writes random checkpoints and their network; returns the paths. */
export async function writeTinyNetwork(
  folder: string,
): Promise<{ backbone: string; head: string; model: string }> {
  const pathsIn = (folder: string) => ({
    backbone: join(folder, 'backbone.safetensors'),
    head: join(folder, 'head.safetensors'),
    model: join(folder, 'model.pt'),
  });
  await madeOnce('tiny network', folder, async (aside) => {
    const { model: out, ...paths } = pathsIn(aside);
    await initCheckpoint({ architecture: 'tiny', seed: 1, ...paths });
    await convert({ ...paths, out });
  });
  return pathsIn(folder);
}

/** Pixels of a made-up image. */
export function picture(width: number, height: number, channels: 1 | 3 | 4 = 3) {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 7919) >> 3);
  return { data, width, height, channels };
}
