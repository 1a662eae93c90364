// Scenes in files of some, drawn by as many processes as there are cores; what is there already stays.
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const perFile = 64;

function chunksOf({ folder, seed, count, width, height }) {
  const chunks = [];
  for (let first = 0; first < count; first += perFile) {
    const own = Math.min(perFile, count - first);
    chunks.push({
      first,
      count: own,
      file: join(folder, `${seed}-${width}x${height}-${first}-${own}.scenes`),
    });
  }
  return chunks;
}

function drawAll(chunks, settings, onDrawn) {
  const queue = chunks.filter(({ file }) => !existsSync(file));
  const draw = () =>
    new Promise((resolve, reject) => {
      const child = fork(
        fileURLToPath(new URL('draw.mjs', import.meta.url)),
        [JSON.stringify(settings)],
        { env: { ...process.env, VIPS_CONCURRENCY: '1' } },
      );
      const next = () => {
        const chunk = queue.shift();
        if (chunk) return child.send(chunk);
        child.disconnect();
        resolve();
      };
      child.on('message', (chunk) => {
        onDrawn(chunk.count);
        next();
      });
      child.on('error', reject);
      child.on('exit', (code) => code && reject(new Error(`drawing scenes ended with code ${code}`)));
      next();
    });
  const workers = Math.min(availableParallelism(), queue.length);
  return Promise.all(Array.from({ length: workers }, draw));
}

/**
 * Draws `count` scenes of a seed into `folder` and gives them file by file: `{first, count, images, labels, parts}`, the
 * labels ADE20K's, the parts IDD's.
 */
export async function* scenes({ folder, seed, count, width, height, onDrawn = () => {} }) {
  await mkdir(folder, { recursive: true });
  const chunks = chunksOf({ folder, seed, count, width, height });
  await drawAll(chunks, { seed, width, height }, onDrawn);
  const pixels = width * height;
  for (const { first, count, file } of chunks) {
    const bytes = await readFile(file);
    yield {
      first,
      count,
      images: bytes.subarray(0, 3 * pixels * count),
      labels: bytes.subarray(3 * pixels * count, 4 * pixels * count),
      parts: bytes.subarray(4 * pixels * count),
    };
  }
}
