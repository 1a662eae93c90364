/** Which images paths stand for: files, folders with what lies below them, and globs. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import picomatch from 'picomatch';
import { DinoSegError } from '../errors.js';
import { filesBelow } from './files-below.js';
import { imageFileKinds, isImageFile } from './image-files.js';
import { isOwnOutput } from './own-outputs.js';

/**
 * Paths of images, in the order given: a file as it is (whether it can be read shows later), a folder as all images in it and
 * its sub-folders, a glob (`photos/2024-*.jpg`, `**` for any folders) as the images that match; the latter two in the order
 * of their bytes, without names that begin with a dot and without the pictures that this package writes. A file that comes
 * up again is left out, also where a link leads to its folder.
 *
 * @throws DinoSegError DATASET for a folder or glob without images; FILE_NOT_FOUND, IO.
 */
export async function listImages(inputs: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const input of inputs) paths.push(...(await expand(input)));
  const folders = new Map<string, string>();
  for (const folder of new Set(paths.map(dirname)))
    folders.set(folder, await realpath(folder).catch(() => resolve(folder)));
  const files = new Map<string, string>();
  for (const path of paths) {
    const file = join(folders.get(dirname(path))!, basename(path));
    if (!files.has(file)) files.set(file, path);
  }
  return [...files.values()];
}

async function imagesBelow(folder: string, depth: number): Promise<string[]> {
  return (await filesBelow(folder, isImageFile, depth)).filter((name) => !isOwnOutput(name));
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
