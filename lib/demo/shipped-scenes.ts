/** The drawn street scenes that come with the package (models/street-scenes; packages/street-scenes drew them). */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeImage, decodeLabel, encodePng } from '../data/decode.js';
import { random, streams } from '../data/random.js';
import { DinoSegError } from '../errors.js';
import { readBytes, readJson, replaceFolder, type WriteInto } from '../files.js';
import { addGrain, type GrainLight } from './grain.js';

const shipped = fileURLToPath(new URL('../../models/street-scenes', import.meta.url));

/** Number of scenes for training, for choosing the best epoch, and for evaluation. */
export const shippedCounts = { train: 100, val: 24, unseen: 36 };

/** A split's scenes in order, with the data that the grain of their pictures depends on. */
export interface GrainFile {
  /** Seed of the random stream. */
  readonly seed: number;
  readonly scenes: readonly (GrainLight & {
    /** Path of its files below the split's folders, without their endings. Its number selects the stream. */
    readonly frame: string;
    /** Position in the stream where its grain begins. */
    readonly position: number;
  })[];
}

/** The members of a COCO file that are read. */
interface Annotations {
  images: { id: number }[];
  annotations: { image_id: number }[];
}

/** Pictures made at a time: codecs run on Node's thread pool, which has four threads by default. */
const together = 4;

/** @throws DinoSegError INVALID_ARGUMENT for more scenes than the package contains */
export function checkSceneCounts(counts: typeof shippedCounts): void {
  for (const name of ['train', 'val', 'unseen'] as const) {
    const [count, most] = [counts[name], shippedCounts[name]];
    if (!Number.isInteger(count) || count < 1 || count > most)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `${name} should be a whole number from 1 to ${most} (the scenes in the package); ${count} was given.`,
      );
  }
}

/**
 * Writes the first scenes of each split of a shipped set as a data set in the Cityscapes layout, with labels in IDD's level 3 and in
 * ADE20K's classes, COCO boxes and a README.txt. The folder appears whole or not at all; an earlier one is replaced.
 *
 * @param set `data` has the splits train and val, `unseen` has val.
 * @throws DinoSegError DISK_FULL, IO; the signal's reason
 */
export async function writeShippedScenes(
  folder: string,
  set: 'data' | 'unseen',
  counts: Readonly<Record<string, number>>,
  signal?: AbortSignal,
): Promise<void> {
  const from = join(shipped, set);
  await replaceFolder(folder, async (write) => {
    await write('README.txt', await readBytes(join(from, 'README.txt')));
    for (const [split, count] of Object.entries(counts)) await writeSplit(write, from, split, count, signal);
  });
}

async function writeSplit(
  write: WriteInto,
  from: string,
  split: string,
  count: number,
  signal?: AbortSignal,
): Promise<void> {
  const { seed, scenes } = (await readJson(join(from, `grain/${split}.json`), 'DATASET')) as GrainFile;
  const first = scenes.slice(0, count);
  for (let i = 0; i < first.length; i += together) {
    await Promise.all(
      first.slice(i, i + together).map(async ({ frame, position, ...light }) => {
        const stream = random(seed, streams.scene, Number(frame.split('/').at(-1)));
        stream.position = position;
        const image = await decodeImage(join(from, `leftImg8bit/${split}/${frame}_leftImg8bit.webp`));
        const map = await decodeLabel(join(from, `grain/${split}/${frame}_grain.png`));
        addGrain(image, map.data as Uint8Array, light, stream);
        const { data, width, height } = image;
        await write(`leftImg8bit/${split}/${frame}_leftImg8bit.png`, await encodePng(data, width, height, 3));
        for (const labels of ['labellevel3Ids', 'ade150Ids']) {
          const label = `gtFine/${split}/${frame}_gtFine_${labels}.png`;
          await write(label, await readBytes(join(from, label)));
        }
      }),
    );
    signal?.throwIfAborted();
  }
  const name = `annotations/instances_${split}.json`;
  const all = (await readJson(join(from, name), 'DATASET')) as Annotations;
  const images = all.images.slice(0, count);
  const ids = new Set(images.map(({ id }) => id));
  const annotations = all.annotations.filter(({ image_id: id }) => ids.has(id));
  await write(name, `${JSON.stringify({ ...all, images, annotations })}\n`);
}
