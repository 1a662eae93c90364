/** The images of a table. */
import { sep } from 'node:path';
import { checkArgument, kind, objectWith, paths as pathsKind } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { shownPath } from '../system-path.js';
import type { LeftOut } from './left-out.js';
import { listImages } from './list-images.js';

/** What the cells of a column are. `integer`: 64 bits; `number`: a double; `text` for everything else. */
export type CarriedKind = 'integer' | 'number' | 'text';

/** An image of a table. */
export interface ImageEntry {
  /** Unique identifier in the table. */
  readonly id: string;
  /** Path of the file. Bytes of it that are not UTF-8 are lone surrogates, U+DC00 plus the byte. */
  readonly path: string;
  /** Cells copied from a manifest, in the order of {@link ImageList.carried}. */
  readonly carried: readonly string[];
  /** Number of a view of a panorama, from 0; absent: the image itself. */
  readonly view?: number;
}

/** The images of a table, in the order of its rows. */
export interface ImageList {
  /** Names of the columns copied from a manifest. */
  readonly carried: readonly string[];
  /** What the cells of each of these columns are; empty ones are null. Default: text. */
  readonly carriedKinds?: readonly CarriedKind[];
  /** The images, in the order of the table's rows. */
  readonly entries: readonly ImageEntry[];
  /** What the folders and globs hold beside them. */
  readonly leftOut?: LeftOut;
}

export const imageListKind = objectWith<ImageList>('a list of images, as returned by imagesOfPaths()', {
  carried: kind('a list', Array.isArray),
  entries: kind('a list', Array.isArray),
});

/**
 * Lists images by paths, in the given order. A path is a file, a folder (all images in it and its sub-folders) or a glob
 * (`photos/2024-*.jpg`, `**` for any folders). The images of a folder or glob are sorted by the bytes of their paths; names that begin
 * with a dot and pictures written by this package are left out. A file without an image's ending is looked into: its first bytes
 * decide. Each file is listed once, even if several paths or links lead to it. The id of an image is its path as given, with `/`
 * between folders; bytes that are not UTF-8 are written as `\\xE9`.
 *
 * @throws DinoSegError DATASET for a folder or glob without images, or for no paths at all; FILE_NOT_FOUND, IO.
 */
export async function imagesOfPaths(inputs: readonly string[]): Promise<ImageList> {
  checkArgument(inputs, pathsKind, 'imagesOfPaths(inputs)');
  if (inputs.length === 0)
    throw new DinoSegError('DATASET', 'No images were given: name files, folders or globs, or a manifest.');
  const { paths, leftOut } = await listImages(inputs);
  return {
    carried: [],
    entries: paths.map((path) => ({ id: shownPath(path).split(sep).join('/'), path, carried: [] })),
    leftOut,
  };
}
