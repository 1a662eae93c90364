/** Which images a table is of: files, folders with what lies below them, and globs. */
import { stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import { checkArgument, kind, objectWith } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { paths as pathsKind } from './argument-kinds.js';
import { filesBelow } from './files-below.js';
import { imageFileKinds, isImageFile } from './image-files.js';
import { isSideFile } from './side-folder.js';

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
 * their paths, without names that begin with a dot and without the pictures beside tables. A file that comes up again is left out. An image's id is its path as
 * given, with `/` between folders.
 *
 * @throws DinoSegError DATASET for a folder or glob without images, or where there are none at all; FILE_NOT_FOUND, IO.
 */
export async function imagesOfPaths(inputs: readonly string[]): Promise<ImageList> {
  checkArgument(inputs, pathsKind, 'imagesOfPaths(inputs)');
  if (inputs.length === 0)
    throw new DinoSegError('DATASET', 'No image was given: name files, folders or globs, or a manifest.');
  const paths: string[] = [];
  for (const input of inputs) paths.push(...(await expand(input)));
  const seen = new Set<string>();
  const once = paths.filter((path) => !seen.has(resolve(path)) && seen.add(resolve(path)));
  const entries = once.map((path) => ({ id: path.split(sep).join('/'), path, carried: [] }));
  return { carried: [], entries };
}

/** Pictures beside a table (`--visualize`) are none of the photographs. */
async function imagesBelow(folder: string, depth: number): Promise<string[]> {
  return (await filesBelow(folder, isImageFile, depth)).filter((name) => !isSideFile(name));
}

async function expand(input: string): Promise<string[]> {
  const found = await stat(input).catch(() => undefined);
  if (found?.isDirectory()) {
    const below = await imagesBelow(input, Infinity);
    if (below.length === 0)
      throw new DinoSegError(
        'DATASET',
        `The folder ${input} and those in it hold no image (${imageFileKinds}).`,
      );
    return below.map((name) => join(input, name));
  }
  const { isGlob, base, glob } = picomatch.scan(input, { nonegate: true });
  if (found || !isGlob) return [input];
  const matches = picomatch(glob, { nonegate: true });
  const depth = glob.includes('**') ? Infinity : glob.split('/').length;
  const names = (await imagesBelow(base || '.', depth)).filter((name) => matches(name));
  if (names.length === 0)
    throw new DinoSegError(
      'DATASET',
      `No image (${imageFileKinds}) matches ${input}. Check the pattern, and quote it.`,
    );
  return names.map((name) => (base ? join(base, name) : name));
}
