/** What is taken of a libtorch, and where it goes in the cache. */
import { DinoSegError } from '../../../errors.js';
import { describeVersion, supportedSeries, type VersionInfo } from '../find-libtorch.js';
import { readText, type Contents, type SourceFile } from './contents.js';
import { archiveError } from './zip.js';

export interface Selection extends VersionInfo {
  /** Path below the folder in the cache → file. */
  files: Map<string, SourceFile>;
  /** What pip has to fetch besides: requirements of a CUDA wheel such as `nvidia-cublas==13.1.0.3`. */
  requirements: string[];
}

/** Python's own module, its helpers and the test libraries stay behind. */
const library =
  /^lib\/(?!lib(torch_python|shm|backend_with_compiler|aoti_custom_ops)\.|.*test)[^/]+\.so[.\d]*$/;
const other = /^(include\/.+|version\.py|build-version|build-hash)$/;
/** Libraries beside the torch package that its run paths ($ORIGIN/../../nvidia/…) name. */
const beside = /^(nvidia\/.+|torch\.libs\/[^/]+)\.so[.\d]*$/;

/**
 * Chooses the files of a libtorch. Alone it goes to the folder itself; with libraries of NVIDIA's wheels to `torch/`
 * beside `nvidia/`, since run paths are relative.
 *
 * @throws DinoSegError LIBTORCH_UNSUPPORTED where there is no libtorch, or one of an unsupported or unknown version; ARCHIVE
 *   where RECORD leaves out a file
 */
export async function select(contents: Contents): Promise<Selection> {
  const prefix = findPrefix(contents);
  const version = await versionOf(contents, prefix);
  const own: [string, SourceFile][] = [];
  const siblings = prefix === 'torch/' ? selectBeside(contents) : [];
  for (const [name, file] of contents.files) {
    if (!name.startsWith(prefix)) continue;
    const inner = name.slice(prefix.length);
    if (library.test(inner) || other.test(inner)) own.push([inner, recorded(contents, name, file)]);
  }
  const cuda = own.some(([name]) => name === 'lib/libtorch_cuda.so');
  const requirements = cuda && siblings.length === 0 ? await cudaRequirements(contents) : [];
  const nested = siblings.length > 0 || requirements.length > 0;
  const placed = own.map(([name, file]) => [nested ? `torch/${name}` : name, file] as const);
  const build = version.build ?? (cuda ? 'cuda' : 'cpu');
  return { ...version, build, files: new Map([...placed, ...siblings]), requirements };
}

/** The libraries of one of NVIDIA's wheels, below `nvidia/`. */
export function selectBeside(contents: Contents): [string, SourceFile][] {
  return [...contents.files]
    .filter(([name]) => beside.test(name))
    .map(([name, file]) => [name, recorded(contents, name, file)]);
}

function recorded(contents: Contents, name: string, file: SourceFile): SourceFile {
  if (contents.recorded && file.sha256 === undefined)
    throw archiveError(contents.origin, `has no SHA-256 of ${name} in its RECORD.`);
  return file;
}

function findPrefix({ files, origin }: Contents): string {
  const found = [...files.keys()].filter((name) => /^([^/]+\/)?lib\/libtorch\.so$/.test(name));
  if (found.length === 1) return found[0]!.slice(0, -'lib/libtorch.so'.length);
  const problem =
    found.length === 0 ? 'contains no libtorch (lib/libtorch.so)' : `contains several: ${found.join(', ')}`;
  throw new DinoSegError(
    'LIBTORCH_UNSUPPORTED',
    `${origin} ${problem}. Give a torch wheel for Linux, or a libtorch zip with libtorch/lib in it.`,
  );
}

async function versionOf(contents: Contents, prefix: string): Promise<VersionInfo> {
  const texts = new Map<string, string>();
  for (const name of ['build-version', 'version.py', 'include/torch/headeronly/version.h'])
    texts.set(name, await readText(contents, prefix + name));
  const version = describeVersion((name) => texts.get(name) ?? '');
  if (version === undefined)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `The version of the libtorch in ${contents.origin} is unknown (no build-version, version.py or headers).`,
    );
  if (!supportedSeries.includes(version.series))
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${contents.origin} contains libtorch ${version.version}, which is not supported; expected ` +
        `${supportedSeries.map((series) => `${series}.x`).join(', ')}.`,
    );
  return version;
}

/** CUDA's libraries are packages of their own, which the wheel's METADATA names. */
async function cudaRequirements(contents: Contents): Promise<string[]> {
  const metadata = [...contents.files.keys()].find((name) => /^[^/]+\.dist-info\/METADATA$/.test(name));
  if (metadata === undefined) return [];
  return [...(await readText(contents, metadata)).matchAll(/^Requires-Dist: (.+?)\r?$/gm)]
    .map(([, requirement]) => requirement!.trim())
    .filter((text) => /^(nvidia-|cuda-toolkit\b)/.test(text) && !/\bextra\s*==/.test(text));
}
