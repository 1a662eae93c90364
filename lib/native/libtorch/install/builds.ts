/** Builds of libtorch: which CUDA version they are for, and which wheel of a folder is which. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DinoSegError } from '../../../errors.js';
import { readError } from '../../../files.js';
import { libtorchIn } from './folder.js';

/** A CUDA version `13.0` as wheels name it: `cu130`. @throws DinoSegError INVALID_ARGUMENT */
export function buildFor(cuda: string): string {
  const [, major, minor] = /^(\d{2})\.(\d)$/.exec(cuda) ?? [];
  if (major !== undefined && minor !== undefined) return `cu${major}${minor}`;
  throw new DinoSegError('INVALID_ARGUMENT', `A CUDA version should look like 13.0, not "${cuda}".`);
}

/** @throws DinoSegError LIBTORCH_UNSUPPORTED where a build is not the one that was asked for */
export function checkBuild(
  cuda: string | undefined,
  { version, build }: { version: string; build?: string },
  origin: string,
): void {
  if (cuda === undefined || build === buildFor(cuda)) return;
  throw new DinoSegError(
    'LIBTORCH_UNSUPPORTED',
    `${origin} is built for ${build ?? 'an unknown CUDA version'}, not for CUDA ${cuda}. Let pip use an index that has torch ` +
      `${version}+${buildFor(cuda)} (PIP_INDEX_URL; PyTorch has one for each CUDA version), or give that wheel with --from.`,
  );
}

/**
 * The torch wheel in a folder of wheels.
 *
 * @returns its path; undefined where the folder holds a libtorch or no wheel of torch.
 * @throws DinoSegError INVALID_ARGUMENT where several fit; FILE_NOT_FOUND where none is for `cuda`; IO
 */
export async function torchWheelIn(folder: string, cuda: string | undefined): Promise<string | undefined> {
  if (libtorchIn(folder) !== undefined) return undefined;
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => /^torch-\d.*\.whl$/.test(name)).sort();
  } catch (cause) {
    throw readError(folder, cause);
  }
  if (names.length === 0) return undefined;
  // A wheel of pip's main index names no build: its content tells.
  const named = names.filter((name) => cuda !== undefined && name.includes(`+${buildFor(cuda)}-`));
  const fitting =
    named.length > 0 ? named : names.filter((name) => cuda === undefined || !name.includes('+'));
  if (fitting.length === 0)
    throw new DinoSegError(
      'FILE_NOT_FOUND',
      `${folder} has no torch wheel for CUDA ${cuda}, only ${names.join(', ')}.`,
    );
  if (fitting.length > 1)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `${folder} has several torch wheels: ${fitting.join(', ')}. Give one of them with --from, or choose with --cuda.`,
    );
  return join(folder, fitting[0]!);
}
