/** Digests of the files of labelled images. */
import { DinoSegError } from '../errors.js';
import { isSpecial } from '../files.js';
import { engine } from '../native/engine.js';

/** The engine's digest of a file's content. @throws DinoSegError IMAGE for a pipe, socket or device; FILE_NOT_FOUND, IO */
export async function digestOfFile(path: string): Promise<string> {
  if (await isSpecial(path))
    throw new DinoSegError('IMAGE', `${path} is a pipe, socket or device. Expected a file.`);
  return engine().contentDigest(path);
}
