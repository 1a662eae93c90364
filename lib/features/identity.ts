/** What the rows of a table follow from: one that was begun otherwise is never gone on with. */
import { createHash } from 'node:crypto';
import { keyDifferences, sha256 } from '../cache/key.js';
import { DinoSegError } from '../errors.js';
import type { FeatureColumn, FeatureExtractor } from './extractor.js';
import type { ImageList } from '../images/images-of-paths.js';
import type { Shard } from './shard.js';

/** Everything that a table's values and their order depend on, besides the images' contents. */
export interface TableIdentity {
  /** Of the files beside a table. */
  format: 1;
  columns: readonly FeatureColumn[];
  /** {@link FeatureExtractor.settings} */
  settings: Record<string, unknown>;
  /** Images of a pass. */
  passSize: number;
  inputs: {
    images: number;
    /** Columns of the manifest that are taken over. */
    carried: readonly string[];
    /** SHA-256 over ids and cells taken over, in their order. */
    digest: string;
  };
  shard: Shard;
}

/**
 * What a table of these images follows from.
 *
 * @throws DinoSegError MANIFEST where two columns of the table would have one name.
 */
export function tableIdentity(extractor: FeatureExtractor, images: ImageList, shard: Shard): TableIdentity {
  const { columns, settings, passSize } = extractor;
  const { entries, carried } = images;
  const names = ['id', ...carried, ...columns.map(({ name }) => name)];
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DinoSegError(
      'MANIFEST',
      `The table would have two columns "${twice}": one of the manifest and one of its own. Rename that of the manifest.`,
    );
  const hash = createHash('sha256');
  for (const { id, carried: cells } of entries) hash.update(`${JSON.stringify([id, ...cells])}\n`);
  const inputs = { images: entries.length, carried, digest: hash.digest('hex') };
  // What JSON leaves out or changes must not tell a table from itself.
  return JSON.parse(
    JSON.stringify({ format: 1, columns, settings, passSize, inputs, shard }),
  ) as TableIdentity;
}

/** Binds the lines of a journal to their table. */
export function identityId(identity: TableIdentity): string {
  return sha256(JSON.stringify(identity));
}

/** In what two tables differ, as `passSize: 4 → 8`; empty where they are of one run. */
export function identityDifferences(before: TableIdentity, after: TableIdentity): string[] {
  const named = ({ columns, inputs, ...rest }: TableIdentity) => ({
    ...rest,
    columns: columns.map(({ name, kind }) => `${name} (${kind})`).join(', '),
    inputs: { ...inputs, carried: inputs.carried.join(', ') },
  });
  return keyDifferences(named(before), named(after));
}
