/** The one lister: which images paths stand for, be they files, folders with what lies below them, or globs. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import picomatch from 'picomatch';
import { DinoSegError } from '../errors.js';
import { startOf } from '../files.js';
import { pathOfBytes, systemPath } from '../system-path.js';
import { compareNames, realPath, walk, type FoundFile, type WalkOptions } from './files-below.js';
import { imageFileKinds, isImageFile } from './image-files.js';
import { heic, imageKindOf, kindBytes } from './image-kinds.js';
import { LeftOutCounter, leftOutSentence, type LeftOut } from './left-out.js';
import { isOwnOutput } from './own-outputs.js';

/** Images by their paths, and what was left out. */
export interface ListedImages {
  /** Paths, in the given order; see {@link pathOfBytes}. */
  readonly paths: readonly string[];
  /** What lies in the folders and matches the globs but is not listed. */
  readonly leftOut: LeftOut;
}

/** A path and what identifies its file. */
interface Listed {
  path: string;
  real: string;
}

/**
 * Lists the paths of images, in the given order; see `imagesOfPaths` for what a path may be.
 *
 * @throws DinoSegError DATASET for a folder or glob without images; FILE_NOT_FOUND, IO.
 */
export async function listImages(inputs: readonly string[]): Promise<ListedImages> {
  const leftOut = new LeftOutCounter();
  const files = new Map<string, string>();
  for (const input of inputs)
    for (const { path, real } of await expand(input, leftOut))
      if (!files.has(real)) files.set(real, path);
      else if (files.get(real) !== path) leftOut.repeated++;
  return { paths: [...files.values()], leftOut: leftOut.result() };
}

async function expand(input: string, leftOut: LeftOutCounter): Promise<Listed[]> {
  const found = await stat(systemPath(input)).catch(() => undefined);
  if (found?.isDirectory()) return imagesOfFolder(input, leftOut);
  const { isGlob, base, glob } = picomatch.scan(input, { nonegate: true });
  if (!found && isGlob) return imagesOfGlob(input, base, glob, leftOut);
  if (found || !input.includes(undecoded)) return [await listed(input)];
  const paths = await undecodedPaths(input);
  return Promise.all((paths.length > 0 ? paths : [input]).map(listed));
}

/** A file that was named. What is absent shows when it is read. */
async function listed(path: string): Promise<Listed> {
  const real = await realPath(path).catch(() => resolve(path));
  return { path, real };
}

async function imagesOfFolder(folder: string, leftOut: LeftOutCounter): Promise<Listed[]> {
  const own = new LeftOutCounter();
  const images = await imagesBelow(folder, { once: true }, [own, leftOut]);
  if (images.length > 0) return images.map(({ path, real }) => ({ path: join(folder, path), real }));
  throw new DinoSegError(
    'DATASET',
    `No images (${imageFileKinds}) in the folder ${folder} or its sub-folders.${leftOutSentence(own)}`,
  );
}

async function imagesOfGlob(
  input: string,
  base: string,
  glob: string,
  leftOut: LeftOutCounter,
): Promise<Listed[]> {
  const wanted = picomatch(glob, { nonegate: true });
  const depth = glob.includes('**') ? Infinity : glob.split('/').length;
  const own = new LeftOutCounter();
  const images = await imagesBelow(base || '.', { depth, wanted }, [own, leftOut]);
  if (images.length > 0)
    return images.map(({ path, real }) => ({ path: base ? join(base, path) : path, real }));
  throw new DinoSegError(
    'DATASET',
    `No images (${imageFileKinds}) match ${input}. Check the pattern, and put it in quotes.${leftOutSentence(own)}`,
  );
}

/** Number of files that are looked into at a time. */
const lookedInto = 16;

/** Images below a folder by the bytes of their paths, which go from the folder on. */
async function imagesBelow(
  folder: string,
  how: WalkOptions,
  leftOut: readonly LeftOutCounter[],
): Promise<Listed[]> {
  const all = (await walk(folder, how)).filter(({ name }) => !isOwnOutput(name));
  const images = await imagesAmong(folder, withoutRepeated(all, leftOut), leftOut);
  return images.map(({ name, real }) => ({ path: name, real: real ?? name }));
}

/**
 * The images among files of a folder, by the bytes of their paths: those with an image's name, and those whose first bytes say so.
 *
 * @param leftOut counts the others.
 */
export async function imagesAmong(
  folder: string,
  files: readonly FoundFile[],
  leftOut: readonly LeftOutCounter[],
): Promise<FoundFile[]> {
  const found = [...files].sort((a, b) => compareNames(a.name, b.name));
  const images: FoundFile[] = [];
  for (let first = 0; first < found.length; first += lookedInto) {
    const some = found.slice(first, first + lookedInto);
    // Most have an image's name: no promises for them.
    const unclear = some.filter((file) => !isListedByName(file));
    const readable = new Map(
      await Promise.all(
        unclear.map(async (file) => [file, await holdsImage(join(folder, file.name), file)] as const),
      ),
    );
    for (const file of some)
      if (readable.get(file) ?? true) images.push(file);
      else for (const counter of leftOut) counter.add(file.name);
  }
  return images;
}

/** Each file once: by its own name rather than by that of a link, which comes later in a walk. */
function withoutRepeated(files: readonly FoundFile[], leftOut: readonly LeftOutCounter[]): FoundFile[] {
  const seen = new Set<string>();
  return files.filter(({ name, real }) => {
    if (real === undefined || !seen.has(real)) return seen.add(real ?? name);
    if (isImageFile(name)) for (const counter of leftOut) counter.repeated++;
    return false;
  });
}

/** Whether a file is listed without a look into it: what it holds shows when it is decoded. */
function isListedByName({ name, isRegular }: FoundFile): boolean {
  return isRegular && isImageFile(name);
}

/** Whether a file that is not called an image holds one. One that cannot be read does not. */
async function holdsImage(path: string, { isRegular, real }: FoundFile): Promise<boolean> {
  if (!isRegular || real === undefined) return false;
  const start = await startOf(path, kindBytes).catch(() => new Uint8Array());
  const kind = imageKindOf(start);
  // Imported where it is asked: commands that decode nothing work without the codec.
  return kind === heic ? (await import('../codec.js')).readsHeic : kind?.readable === true;
}

/** What Node.js puts in place of the bytes of an argument that are not UTF-8. */
const undecoded = '\ufffd';

/** Files whose paths an argument may stand for that has lost bytes: those that look alike. */
async function undecodedPaths(input: string): Promise<string[]> {
  const [folder, name] = [dirname(input), basename(input)];
  const folders = folder.includes(undecoded) ? await undecodedPaths(folder) : [folder];
  if (!name.includes(undecoded)) return folders.map((each) => join(each, name));
  const found: string[] = [];
  for (const each of folders) {
    const names = await readdir(systemPath(each), { encoding: 'buffer' }).catch(() => []);
    for (const bytes of names)
      if (bytes.toString('utf8') === name) found.push(join(each, pathOfBytes(bytes)));
  }
  return found.sort(compareNames);
}
