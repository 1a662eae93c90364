import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng } from '../../../lib/data/decode.js';
import { DinoSegError } from '../../../lib/errors.js';
import { readError, replaceFolder } from '../../../lib/files.js';
import type { WriteInto } from '../../../lib/files.js';
import { cocoAnnotations } from './coco-annotations.js';
import type { AnnotatedImage } from './coco-annotations.js';
import { drawScene } from './scenes.js';

export interface DemoDatasetOptions {
  /** How many scenes each split gets; default 24 and 8. A split of none is left out. */
  train?: number;
  val?: number;
  /** Default 0. */
  seed?: number;
  /** Pixels, default 256×192. */
  width?: number;
  height?: number;
  /** Stops between scenes, with nothing left behind. */
  signal?: AbortSignal | undefined;
}

export interface DemoDataset {
  readonly root: string;
  readonly train: number;
  readonly val: number;
}

/** Scenes that are drawn at a time: drawing runs on Node's own threads, four unless UV_THREADPOOL_SIZE says more. */
const together = 4;

const firstLine = 'Synthetic street scenes made by dinov3-seg';

/** What a data set says of itself. */
export function readme(seed: number, width: number, height: number): string {
  return [
    firstLine,
    '',
    'Nothing here is a photograph. The pictures and their labels were drawn by a program from random numbers',
    `(seed ${seed}, ${width}×${height} pixels), so that training can be tried without a data set.`,
    'A model trained on them knows these drawings and nothing else.',
    '',
    'leftImg8bit/<split>/scene/<frame>_leftImg8bit.png               the pictures',
    'gtFine/<split>/scene/<frame>_gtFine_labellevel3Ids.png          IDD level-3 class of each pixel, 0 to 25',
    'gtFine/<split>/scene/<frame>_gtFine_ade150Ids.png                ADE20K class of each pixel, 1 to 150; 0 where none',
    "annotations/instances_<split>.json                              boxes of what can be counted, in COCO's format",
    '',
    'Writing the demo data again replaces this whole folder.',
    '',
  ].join('\n');
}

/** Refuses to replace a folder that holds anything but an earlier demo data set. */
async function requireOwn(dir: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw readError(dir, cause);
  }
  if (names.length === 0) return;
  const text = names.includes('README.txt') ? await readFile(join(dir, 'README.txt'), 'utf8') : '';
  if (!text.startsWith(firstLine))
    throw new DinoSegError(
      'DATASET',
      `${dir} contains other files (${names.slice(0, 4).join(', ')}), which the demo data would replace. ` +
        'Choose a new or empty folder.',
    );
}

/** Path of a scene's files below a split's folders, without what they end in. */
export const frameOf = (index: number): string => `scene/${String(index).padStart(6, '0')}`;

/** ADE20K's classes as its own files have them: one more, and 0 (255 + 1 in a byte) for a pixel without a class. */
export const storedAde = (ade: Uint8Array): Uint8Array => ade.map((value) => value + 1);

async function writeScene(
  write: WriteInto,
  split: string,
  index: number,
  options: Required<Omit<DemoDatasetOptions, 'signal'>>,
): Promise<AnnotatedImage> {
  const { seed, width, height } = options;
  const { image, label, ade, objects } = await drawScene({ seed, index, width, height });
  const frame = frameOf(index);
  const fileName = `leftImg8bit/${split}/${frame}_leftImg8bit.png`;
  await write(fileName, await encodePng(image.data, width, height, 3));
  await write(`gtFine/${split}/${frame}_gtFine_labellevel3Ids.png`, await encodePng(label, width, height, 1));
  await write(
    `gtFine/${split}/${frame}_gtFine_ade150Ids.png`,
    await encodePng(storedAde(ade), width, height, 1),
  );
  return { id: index + 1, fileName, width, height, objects };
}

/**
 * Writes a synthetic data set in the Cityscapes layout with labels in IDD's level 3 and in ADE20K's classes, COCO boxes of
 * each split and a README.txt that says so.
 * The folder appears whole or not at all; an earlier demo data set in it is replaced.
 * @throws DATASET where the folder holds anything else; INVALID_ARGUMENT, DISK_FULL, IO; the signal's reason
 */
export async function writeDemoDataset(dir: string, options: DemoDatasetOptions = {}): Promise<DemoDataset> {
  const { signal, ...given } = options;
  const all = { train: 24, val: 8, seed: 0, width: 256, height: 192, ...given };
  for (const [name, value] of Object.entries({ train: all.train, val: all.val }))
    if (!Number.isInteger(value) || value < 0)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The demo data needs a whole number of ${name} scenes, not ${value}.`,
      );
  await requireOwn(dir);
  await replaceFolder(dir, async (write) => {
    await write('README.txt', readme(all.seed, all.width, all.height));
    for (const [split, from, to] of [
      ['train', 0, all.train],
      ['val', all.train, all.train + all.val],
    ] as const) {
      const images: AnnotatedImage[] = [];
      for (let first = from; first < to; first += together) {
        const indices = Array.from({ length: Math.min(together, to - first) }, (_, i) => first + i);
        images.push(...(await Promise.all(indices.map((index) => writeScene(write, split, index, all)))));
        signal?.throwIfAborted();
      }
      if (images.length > 0) await write(`annotations/instances_${split}.json`, cocoAnnotations(images));
    }
  });
  return { root: dir, train: all.train, val: all.val };
}
