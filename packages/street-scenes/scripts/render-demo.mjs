// Renders the scenes of the demo, models/street-scenes: pictures without their grain, which hardly compresses and is added when the
// demo writes them (lib/demo/grain.ts of the product), the grain's textures and numbers, labels and boxes.
//   node packages/street-scenes/scripts/render-demo.mjs [--out DIR]
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '../typescript.mjs';

const { renderSplits } = await import('../lib/render-demo.ts');

const { values } = parseArgs({
  options: {
    out: {
      type: 'string',
      default: fileURLToPath(new URL('../../../models/street-scenes', import.meta.url)),
    },
  },
});
for (const set of ['data', 'unseen']) await rm(join(values.out, set), { recursive: true, force: true });
await renderSplits(async (name, data) => {
  const path = join(values.out, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, data);
});
