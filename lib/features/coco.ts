/** Boxes in COCO's format. */
import type { FileHandle } from 'node:fs/promises';
import { atomicWriteWith } from '../files.js';
import type { ImageEntry } from '../images/images-of-paths.js';
import type { JournalRow } from './journal.js';

/**
 * Writes the boxes of rows as a COCO JSON file: `images`, `annotations` (with `score`, and `bbox` as x, y, width,
 * height in pixels) and the `categories` that occur. An image's id is its position in the list of all images, from
 * 1, in every shard.
 *
 * @param rows is read twice, and must return the same rows in the order of the images.
 * @throws DinoSegError DISK_FULL, IO, and what `rows` throws.
 */
export async function writeCoco(
  path: string,
  entries: readonly ImageEntry[],
  rows: () => AsyncIterable<JournalRow>,
): Promise<void> {
  await atomicWriteWith(path, async (file) => {
    await file.writeFile('{"images":[');
    await writeItems(file, imageItems(entries, rows()));
    await file.writeFile('],\n"annotations":[');
    const names = new Map<number, string>();
    await writeItems(file, annotationItems(rows(), names));
    const categories = [...names].sort(([a], [b]) => a - b).map(([id, name]) => ({ id, name }));
    await file.writeFile(`],\n"categories":${JSON.stringify(categories)}}\n`);
  });
}

async function writeItems(file: FileHandle, items: AsyncIterable<object>): Promise<void> {
  let text = '\n';
  let separator = '';
  for await (const item of items) {
    text += separator + JSON.stringify(item);
    separator = ',\n';
    if (text.length < 1 << 18) continue;
    await file.writeFile(text);
    text = '';
  }
  await file.writeFile(text);
}

async function* imageItems(entries: readonly ImageEntry[], rows: AsyncIterable<JournalRow>) {
  for await (const { place, width, height } of rows)
    yield { id: place + 1, file_name: entries[place]!.id, width, height };
}

async function* annotationItems(rows: AsyncIterable<JournalRow>, names: Map<number, string>) {
  let id = 0;
  for await (const { place, detections = [] } of rows)
    for (const { x, y, width, height, score, label, name } of detections) {
      names.set(label, name);
      yield {
        id: ++id,
        image_id: place + 1,
        category_id: label,
        bbox: [x, y, width, height],
        area: width * height,
        iscrowd: 0,
        score,
      };
    }
}
