/** A folder of labelled images with every kind of fault that data can have, for idd26. */
import type { Test } from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { makePng } from './png.js';
import { writeTree } from './temporary.js';

const [width, height] = [4, 3];

/** An image of a colour, so that no two have the same bytes. */
function image(shade: number): Promise<Buffer> {
  return encodePng(new Uint8Array(width * height * 3).fill(shade), width, height, 3);
}

function label(...values: number[]): Promise<Buffer> {
  const data = new Uint8Array(width * height).fill(values.at(-1)!);
  data.set(values);
  return encodePng(data, width, height, 1);
}

/** Faults by the paths of their files, below the folder. */
export const expectedFaults = {
  'images/train/alone.png': 'unpaired',
  'masks/train/over.png': 'unpaired',
  'images/train/cut.png': 'unreadable',
  'masks/train/text.png': 'unreadable',
  'masks/train/size.png': 'misshapen',
  'masks/train/coloured.png': 'misshapen',
  'masks/train/values.png': 'unknown-value',
  'masks/train/wide.png': 'unknown-value',
  'images/val/same.png': 'duplicate',
} as const;

/** Writes the folder; `good` pairs of it are whole: train/a, train/b and val/v. */
export async function writeFaultyData(t: Test): Promise<string> {
  const good = await image(1);
  const whole = await label(0);
  return writeTree(t, {
    'images/train/a.png': good,
    'masks/train/a.png': await label(0, 0, 13, 255, 5),
    'images/train/b.png': await image(2),
    'masks/train/b.png': await label(13),
    'images/train/alone.png': await image(3),
    'masks/train/over.png': whole,
    'images/train/cut.png': (await image(4)).subarray(0, -20),
    'masks/train/cut.png': whole,
    'images/train/text.png': await image(5),
    'masks/train/text.png': 'no image',
    'images/train/size.png': await image(6),
    'masks/train/size.png': await encodePng(new Uint8Array(12), 6, 2, 1),
    'images/train/coloured.png': await image(7),
    'masks/train/coloured.png': await encodePng(
      Uint8Array.from({ length: 36 }, (_, i) => i),
      width,
      height,
      3,
    ),
    'images/train/values.png': await image(8),
    'masks/train/values.png': await label(200, 30, 30, 30, 5),
    'images/train/wide.png': await image(9),
    'masks/train/wide.png': makePng({
      width,
      bitDepth: 16,
      colourType: 0,
      rows: Array.from({ length: height }, (_, y) => [0, 7, 1, 44, 0, 7, ...(y === 2 ? [0, 7] : [1, 44])]),
    }),
    'images/val/v.png': await image(10),
    'masks/val/v.png': await label(5),
    'images/val/same.png': good,
    'masks/val/same.png': whole,
    'images/test/t.png': await image(11),
  });
}
