/** Digests of the files of labelled images. */
import { refuseSpecial } from '../files.js';
import { engine } from '../native/engine.js';

/** The engine's digest of a file's content. @throws DinoSegError IMAGE for a pipe, socket or device; FILE_NOT_FOUND, IO */
export async function digestOfFile(path: string): Promise<string> {
  await refuseSpecial(path, 'IMAGE', 'a file');
  return engine().contentDigest(path);
}
