/** Expected SHA-256 of an archive, and its verification. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { DinoSegError } from '../../../errors.js';
import { readText } from '../../../files.js';

/** A checksum (lower-case hexadecimal) and its source. */
export interface Expected {
  sha256: string;
  statedBy: string;
}

/** @throws DinoSegError INVALID_ARGUMENT where it is not 64 hexadecimal digits */
export function expectedBy(statedBy: string, sha256: string): Expected {
  if (!/^[\da-f]{64}$/i.test(sha256))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `${statedBy[0]!.toUpperCase()}${statedBy.slice(1)} should be a SHA-256 of 64 hexadecimal digits, not "${sha256}".`,
    );
  return { sha256: sha256.toLowerCase(), statedBy };
}

/** The `#sha256=…` of a URL, as indexes of packages append it. */
export function expectedByUrl(url: URL): Expected[] {
  const sha256 = new URLSearchParams(url.hash.slice(1)).get('sha256');
  return sha256 === null ? [] : [expectedBy('the #sha256 of the URL', sha256)];
}

/**
 * The `<file>.sha256` beside a file, as sha256sum writes it: the sum alone, or lines of sum and name.
 *
 * @throws DinoSegError CHECKSUM where it states no sum for this file
 */
export async function expectedByNeighbour(path: string): Promise<Expected[]> {
  const neighbour = `${path}.sha256`;
  if (!existsSync(neighbour)) return [];
  const text = await readText(neighbour);
  for (const line of text.split('\n')) {
    const [, sha256, name] = /^\\?([\da-f]{64})(?:\s+\*?(.*?))?\s*$/i.exec(line) ?? [];
    if (sha256 && (!name || basename(name) === basename(path))) return [expectedBy(neighbour, sha256)];
  }
  throw new DinoSegError(
    'CHECKSUM',
    `${neighbour} contains no SHA-256 of ${basename(path)}. Correct or remove that file.`,
  );
}

/** @throws DinoSegError CHECKSUM where one of the expected sums is another */
export function verify(origin: string, sha256: string, expected: readonly Expected[]): void {
  for (const { sha256: stated, statedBy } of expected)
    if (stated !== sha256)
      throw new DinoSegError(
        'CHECKSUM',
        `${origin} has the SHA-256 ${sha256}; expected ${stated} (${statedBy}). The file is damaged or a different one; ` +
          'nothing was installed. Download it again.',
      );
}
