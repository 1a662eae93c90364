/** A manifest: a CSV file that lists images and what is known about them. */
import { dirname, resolve } from 'node:path';
import { checkArgument, checkOptions, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { readCsv } from './csv.js';
import type { ImageEntry, ImageList } from '../images/images-of-paths.js';

/** Which columns of a manifest say what. */
export interface ManifestColumns {
  /** Path of the image, from the manifest's folder on. Default `image`. */
  imageColumn?: string;
  /** What tells the image. Default `id`; without such a column the image's path. */
  idColumn?: string;
}

const manifestColumns: OptionKinds<ManifestColumns> = { imageColumn: text, idColumn: text };

/**
 * The images of a manifest in its order. All other columns are taken over.
 *
 * @throws DinoSegError MANIFEST where it is empty, no CSV, lacks a column, has one twice, or leaves an image or id empty or names an id
 *   twice; FILE_NOT_FOUND, IO.
 */
export async function imagesOfManifest(path: string, columns: ManifestColumns = {}): Promise<ImageList> {
  checkArgument(path, text, 'imagesOfManifest(path)');
  checkOptions(columns, manifestColumns, 'imagesOfManifest()');
  const fail = (reason: string) => new DinoSegError('MANIFEST', `${path}${reason}`);
  let reader: RowReader | undefined;
  const entries: ImageEntry[] = [];
  const lines = new Map<string, number>();
  for await (const { cells, line } of readCsv(path, 'MANIFEST')) {
    if (!reader) {
      reader = readerOf(cells, columns, fail);
      continue;
    }
    const { image, id, carried } = reader.read(cells);
    if (image === '' || id === '')
      throw fail(`, line ${line}: the ${image === '' ? 'image' : 'id'} is empty.`);
    const before = lines.get(id);
    if (before !== undefined)
      throw fail(
        `, line ${line}: the id "${id}" is that of line ${before}. Ids tell the rows of the table: give each its own.`,
      );
    lines.set(id, line);
    entries.push({ id, path: resolve(dirname(path), image), carried });
  }
  if (!reader)
    throw fail(' is empty. Expected a header with the names of columns, then a row for each image.');
  if (entries.length === 0) throw fail(' has a header and no rows. Expected a row for each image.');
  return { carried: reader.carried, entries };
}

interface RowReader {
  carried: string[];
  read(cells: readonly string[]): { image: string; id: string; carried: string[] };
}

function readerOf(
  header: readonly string[],
  { imageColumn = 'image', idColumn }: ManifestColumns,
  fail: (reason: string) => DinoSegError,
): RowReader {
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined) throw fail(` has the column "${twice}" twice.`);
  const place = (name: string, flag: string): number => {
    const found = header.indexOf(name);
    if (found >= 0) return found;
    throw fail(
      ` has no column "${name}"; its columns are ${header.map((known) => `"${known}"`).join(', ')}.` +
        `${didYouMean(name, header)} Name the column by ${flag}.`,
    );
  };
  const image = place(imageColumn, '--image-column');
  const id =
    idColumn === undefined
      ? header.includes('id')
        ? header.indexOf('id')
        : image
      : place(idColumn, '--id-column');
  const others = [...header.keys()].filter((i) => i !== image && i !== id);
  return {
    carried: others.map((i) => header[i]!),
    read: (cells) => ({ image: cells[image]!, id: cells[id]!, carried: others.map((i) => cells[i]!) }),
  };
}
