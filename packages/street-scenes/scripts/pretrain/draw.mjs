// One process of many that draw scenes: `draw.mjs '{"seed", "width", "height"}'`. Hears `{first, count, file}`, answers with it.
// Processes, since the threads of one share four threads for all encoding and rendering.
import { rename, writeFile } from 'node:fs/promises';
import '../../typescript.mjs';

const { drawScene } = await import('../../lib/scenes.ts');

const { seed, width, height } = JSON.parse(process.argv[2]);

/** Images, ADE20K labels and IDD labels of scenes, one array after the other, then each scene's objects as JSON. */
async function drawChunk(first, count) {
  const pixels = width * height;
  const bytes = new Uint8Array(5 * pixels * count);
  const seen = [];
  for (let i = 0; i < count; i++) {
    const { image, label, ade, objects } = await drawScene({ seed, index: first + i, width, height });
    bytes.set(image.data, 3 * pixels * i);
    bytes.set(ade, pixels * (3 * count + i));
    bytes.set(label, pixels * (4 * count + i));
    seen.push(objects.map(({ id, box }) => ({ id, box })));
  }
  return Buffer.concat([bytes, Buffer.from(JSON.stringify(seen))]);
}

process.on('message', async (chunk) => {
  await writeFile(`${chunk.file}.part`, await drawChunk(chunk.first, chunk.count));
  await rename(`${chunk.file}.part`, chunk.file);
  process.send(chunk);
});
process.on('disconnect', () => process.exit());
