/** What a conversion holds in memory: a tensor, whatever the network's size. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { runScript } from '../helpers/command-line.js';
import { inLayout, writeTensors, type StateDict } from '../helpers/layouts.js';
import { initCheckpoint } from '../helpers/operators.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { writeTinyNetwork } from '../helpers/tiny-network.js';

t.test('a conversion to bfloat16 casts a tensor at a time, and the network is the same', async (t) => {
  await convertsInLittleMemory(t, async () => undefined);
});

t.test('a conversion of Hugging Face keys joins a tensor at a time', async (t) => {
  await convertsInLittleMemory(t, async (backbone) => {
    const { tensors } = readSafetensors(backbone);
    await writeTensors(backbone, inLayout(tensors as StateDict, 'hugging-face', 'swiglu'));
  });
});

/** Converts the network `deep`; `rewrite` may change the backbone's file. */
async function convertsInLittleMemory(
  t: Test,
  rewrite: (backbone: string) => Promise<unknown>,
): Promise<void> {
  const folder = t.testdir({ small: {} });
  const at = (name: string) => join(folder, name);
  await writeTinyNetwork(at('small'));
  const checkpoint = { backbone: at('backbone.safetensors'), head: at('head.safetensors') };
  await initCheckpoint({ architecture: 'deep', seed: 1, ...checkpoint });
  await rewrite(checkpoint.backbone);
  const script = join(import.meta.dirname, '../helpers/convert-memory.mjs');
  const args = [checkpoint.backbone, checkpoint.head, at('network.pt'), at('small')];
  const grown = Number(await runScript(script, ...args));
  const { size } = statSync(at('network.pt'));
  t.ok(size > 80e6, `the network is of ${size} bytes`);
  // All of it cast at once would take its size.
  t.ok(grown < size / 2, `anonymous memory grew by ${grown} bytes`);
  using stored = await SegmentationModel.load(at('network.pt'));
  const random = { arch: 'deep' as 'tiny', seed: 1, dtype: 'bfloat16' } as const;
  using direct = await SegmentationModel.init(random);
  const image = { data: new Uint8Array(64 * 64 * 3).map((_, i) => i >> 4), width: 64, height: 64 };
  const [a, b] = [
    await stored.scores(image, { imageSize: 64 }),
    await direct.scores(image, { imageSize: 64 }),
  ];
  t.same(a, b);
}
