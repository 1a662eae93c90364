/** The images of a table. */
import { sep } from 'node:path';
import { checkArgument, kind, objectWith } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { paths as pathsKind } from './argument-kinds.js';
import { listImages } from './list-images.js';

/** An image of a table. */
export interface ImageEntry {
  /** No two of a table alike. */
  readonly id: string;
  /** Of the file. */
  readonly path: string;
  /** Cells that are taken over, in the order of {@link ImageList.carried}. */
  readonly carried: readonly string[];
}

/** The images of a table, in the order of its rows. */
export interface ImageList {
  /** Names of the columns that are taken over from a manifest. */
  readonly carried: readonly string[];
  /** In the table's order. */
  readonly entries: readonly ImageEntry[];
}

export const imageListKind = objectWith<ImageList>('a list of images, as imagesOfPaths() gives it', {
  carried: kind('a list', Array.isArray),
  entries: kind('a list', Array.isArray),
});

/**
 * Images by paths, in the order given: a file as it is (whether it can be read shows later), a folder as all images in it and
 * its sub-folders, a glob (`photos/2024-*.jpg`, `**` for any folders) as the images that match; the latter two sorted by the bytes of
 * their paths, without names that begin with a dot and without pictures that this package wrote. A file that comes up again is left
 * out, also where a link leads to its folder. An image's id is its path as given, with `/` between folders.
 *
 * @throws DinoSegError DATASET for a folder or glob without images, or where there are none at all; FILE_NOT_FOUND, IO.
 */
export async function imagesOfPaths(inputs: readonly string[]): Promise<ImageList> {
  checkArgument(inputs, pathsKind, 'imagesOfPaths(inputs)');
  if (inputs.length === 0)
    throw new DinoSegError('DATASET', 'No image was given: name files, folders or globs, or a manifest.');
  const paths = await listImages(inputs);
  return {
    carried: [],
    entries: paths.map((path) => ({ id: path.split(sep).join('/'), path, carried: [] })),
  };
}
