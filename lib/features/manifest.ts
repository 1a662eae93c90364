/** A manifest: a CSV file that lists images and further columns. */
import { existsSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { checkArgument, checkOptions, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { KindOfCells } from './carried-kinds.js';
import { readCsv, textOfCell } from './csv.js';
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
 * Reads the images of a manifest in its order. The path and all other columns are copied to the table: as numbers where every
 * cell is one. A `'` before a text that a spreadsheet would compute is none of the text, as in tables of `extractTable`. Cells are separated by `,`, `;` or tab. Names of columns may differ in case.
 *
 * @throws DinoSegError MANIFEST if it is empty, not CSV, lacks a column, has a column twice, has values in a column without
 *   name, leaves an image or id empty, has an id twice, or names a web address; FILE_NOT_FOUND, IO.
 */
export async function imagesOfManifest(path: string, columns: ManifestColumns = {}): Promise<ImageList> {
  checkArgument(path, text, 'imagesOfManifest(path)');
  checkOptions(columns, manifestColumns, 'imagesOfManifest()');
  const fail = (reason: string) => new DinoSegError('MANIFEST', `${path}${reason}`);
  let reader: RowReader | undefined;
  let kinds: KindOfCells[] = [];
  const entries: ImageEntry[] = [];
  const lines = new Map<string, number>();
  for await (const { cells, line } of readCsv(path, 'MANIFEST', { foreign: true })) {
    if (!reader) {
      reader = readerOf(cells, columns, fail);
      kinds = reader.carried.map(() => new KindOfCells());
      continue;
    }
    const { image, written, id, carried } = reader.read(cells, line);
    if (image === '' || id === '')
      throw fail(`, line ${line}: the ${image === '' ? 'image' : 'id'} is empty.`);
    if (/^[a-z][a-z\d+.-]+:\/\//i.test(image))
      throw fail(`, line ${line}: ${image} is a web address. Download the images, and list their files.`);
    const before = lines.get(id);
    if (before !== undefined)
      throw fail(
        `, line ${line}: the id "${id}" also occurs in line ${before}. Ids identify the rows of the table and must be unique.`,
      );
    lines.set(id, line);
    entries.push({ id, path: pathOf(dirname(path), image, written), carried });
    for (const [i, cell] of carried.entries()) kinds[i]!.add(cell);
  }
  if (!reader) throw fail(' is empty. Expected a header with column names, then one row per image.');
  if (entries.length === 0) throw fail(' has a header but no rows. Expected one row per image.');
  const { carried, imagePlace } = reader;
  const carriedKinds = kinds.map(({ kind }, i) => (i === imagePlace ? 'text' : kind));
  return { carried, carriedKinds, entries };
}

/** A path of Windows is one of this system unless there is a file of that very name. */
function pathOf(folder: string, image: string, written: string): string {
  const path = resolve(folder, image);
  // A name may truly begin with what marks a text.
  if (written !== image && !existsSync(path) && existsSync(resolve(folder, written)))
    return resolve(folder, written);
  if (sep === '\\' || !image.includes('\\') || existsSync(path)) return path;
  return resolve(folder, image.replaceAll('\\', '/'));
}

interface RowReader {
  carried: string[];
  /** Place of the image's path among the carried columns; -1 if it is the id. */
  imagePlace: number;
  /** `written`: the image as it stands in the file. */
  read(
    cells: readonly string[],
    line: number,
  ): { image: string; written: string; id: string; carried: string[] };
}

function readerOf(
  header: readonly string[],
  { imageColumn = 'image', idColumn }: ManifestColumns,
  fail: (reason: string) => DinoSegError,
): RowReader {
  const names = header.map((name) => textOfCell(name.trim()));
  const twice = names.find((name, i) => name !== '' && names.indexOf(name) !== i);
  if (twice !== undefined) throw fail(` has the column "${twice}" twice.`);
  const find = (name: string): number => {
    const exact = names.indexOf(name);
    if (exact >= 0) return exact;
    const alike = [...names.keys()].filter((i) => names[i]!.toLowerCase() === name.toLowerCase());
    return alike.length === 1 ? alike[0]! : -1;
  };
  const place = (name: string, flag: string): number => {
    const found = find(name);
    if (found >= 0) return found;
    throw fail(
      ` has no column "${name}"; its columns are ${names.map((known) => `"${known}"`).join(', ')}.` +
        `${didYouMean(name, names)} Choose the column with ${flag}.`,
    );
  };
  const image = place(imageColumn, '--image-column');
  const usual = find('id');
  const id = idColumn !== undefined ? place(idColumn, '--id-column') : usual >= 0 ? usual : image;
  const unnamed = [...names.keys()].filter((i) => names[i] === '');
  const others = [...names.keys()].filter((i) => i !== image && i !== id && names[i] !== '');
  const places = image === id ? others : [image, ...others];
  return {
    carried: places.map((i) => names[i]!),
    imagePlace: image === id ? -1 : 0,
    read(cells, line) {
      const stray = unnamed.find((i) => cells[i] !== '');
      if (stray !== undefined)
        throw fail(
          `, line ${line}: column ${stray + 1} has the value "${cells[stray]}" but no name in the header.`,
        );
      const text = (i: number) => textOfCell(cells[i]!);
      return { image: text(image), written: cells[image]!, id: text(id), carried: places.map(text) };
    },
  };
}
