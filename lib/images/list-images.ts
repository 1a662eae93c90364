/** Which images a prediction is for. */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DinoSegError } from '../errors.js';
import { readError } from '../files.js';
import { imageFileKinds, isImageFile } from './image-files.js';

/**
 * Files as they are, folders as the images that lie in them (sorted, not their sub-folders), each file once.
 *
 * @throws DinoSegError FILE_NOT_FOUND for an absent folder or file is left to the one who opens it; DATASET for a
 *   folder without images; IO.
 */
export async function listImages(inputs: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const input of inputs) {
    const isFolder = await stat(input).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) files.push(input);
    else files.push(...(await imagesIn(input)));
  }
  const seen = new Set<string>();
  return files.filter((file) => {
    const path = resolve(file);
    return !seen.has(path) && seen.add(path);
  });
}

async function imagesIn(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter(isImageFile).sort();
    if (names.length > 0) return names.map((name) => join(folder, name));
  } catch (cause) {
    throw readError(folder, cause);
  }
  throw new DinoSegError('DATASET', `The folder ${folder} holds no image (${imageFileKinds}).`);
}
