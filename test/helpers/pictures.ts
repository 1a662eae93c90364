/** Small images on disk, no two alike. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng } from '../../lib/data/decode.js';

/** Pixels that differ from number to number. */
export function numberedPicture(number: number, width = 9 + (number % 5), height = 7 + (number % 3)) {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => ((i + 1) * (number + 3) * 7919) >> 4,
  );
  return { data, width, height };
}

/** Writes `00.png`, `01.png`, … to a folder; returns their paths. */
export async function writePictures(folder: string, count: number): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths = Array.from({ length: count }, (_, i) => join(folder, `${String(i).padStart(2, '0')}.png`));
  for (const [i, path] of paths.entries()) {
    const { data, width, height } = numberedPicture(i);
    await writeFile(path, await encodePng(data, width, height, 3));
  }
  return paths;
}
