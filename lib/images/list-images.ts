/** Which images paths stand for: files, folders with what lies below them, and globs. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import picomatch from 'picomatch';
import { DinoSegError } from '../errors.js';
import { filesBelow } from './files-below.js';
import { imageFileKinds, isImageFile } from './image-files.js';
import { isOwnOutput } from './own-outputs.js';

/**
 * Lists the paths of images, in the given order; see `imagesOfPaths` for what a path may be.
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
        `No images (${imageFileKinds}) in the folder ${input} or its sub-folders.`,
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
      `No images (${imageFileKinds}) match ${input}. Check the pattern, and put it in quotes.`,
    );
  return names.map((name) => (base ? join(base, name) : name));
}
