/** A manifest: a CSV file that lists images and further columns. */
import { dirname, resolve } from 'node:path';
import { checkArgument, checkOptions, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { readCsv } from './csv.js';
import type { ImageEntry, ImageList } from '../images/images-of-paths.js';

/** Names of a manifest's columns. */
export interface ManifestColumns {
  /** Column with the path of the image, relative to the manifest's folder. Default `image`. */
  imageColumn?: string;
  /** Column that identifies an image. Default `id`, or the image's path if there is no such column. */
  idColumn?: string;
}

const manifestColumns: OptionKinds<ManifestColumns> = { imageColumn: text, idColumn: text };

/**
 * Reads the images of a manifest in its order. All other columns are copied to the table.
 *
 * @throws DinoSegError MANIFEST if it is empty, not CSV, lacks a column, has a column twice, leaves an image or id
 *   empty, or has an id twice; FILE_NOT_FOUND, IO.
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
        `, line ${line}: the id "${id}" also occurs in line ${before}. Ids identify the rows of the table and must be unique.`,
      );
    lines.set(id, line);
    entries.push({ id, path: resolve(dirname(path), image), carried });
  }
  if (!reader) throw fail(' is empty. Expected a header with column names, then one row per image.');
  if (entries.length === 0) throw fail(' has a header but no rows. Expected one row per image.');
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
        `${didYouMean(name, header)} Choose the column with ${flag}.`,
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
