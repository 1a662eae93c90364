/** What determines the rows of a table. A table begun with a different identity is never resumed. */
import { createHash } from 'node:crypto';
import { keyDifferences, sha256 } from '../cache/key.js';
import { DinoSegError } from '../errors.js';
import type { FeatureColumn, FeatureExtractor } from './extractor.js';
import type { ImageList } from '../images/images-of-paths.js';
import type { Shard } from '../shard.js';

/** Everything that determines a table's values and their order, besides the images' contents. */
export interface TableIdentity {
  /** Version of the files beside a table. */
  format: 1;
  columns: readonly FeatureColumn[];
  /** {@link FeatureExtractor.settings} */
  settings: Record<string, unknown>;
  /** Images per pass. */
  passSize: number;
  inputs: {
    images: number;
    /** Columns of the manifest that are copied to the table. */
    carried: readonly string[];
    /** SHA-256 over ids and copied cells, in their order. */
    digest: string;
  };
  shard: Shard;
  /** Present if images with a quality flag have no row. */
  dropFlagged?: true;
}

/**
 * The identity of a table of these images.
 *
 * @throws DinoSegError MANIFEST if two columns of the table would have one name.
 */
export function tableIdentity(
  extractor: FeatureExtractor,
  images: ImageList,
  { shard, dropFlagged }: { shard: Shard; dropFlagged: boolean },
): TableIdentity {
  const { columns, settings, passSize } = extractor;
  const { entries, carried } = images;
  const names = ['id', ...carried, ...columns.map(({ name }) => name)];
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DinoSegError(
      'MANIFEST',
      `The table would have two columns "${twice}": one from the manifest and one of its own. Rename the manifest's column.`,
    );
  const hash = createHash('sha256');
  for (const { id, carried: cells } of entries) hash.update(`${JSON.stringify([id, ...cells])}\n`);
  const inputs = { images: entries.length, carried, digest: hash.digest('hex') };
  // What JSON leaves out or changes must not tell a table from itself.
  return JSON.parse(
    JSON.stringify({
      ...{ format: 1, columns, settings, passSize, inputs, shard },
      ...(dropFlagged && { dropFlagged }),
    }),
  ) as TableIdentity;
}

/** Ties the lines of a journal to their table. */
export function identityId(identity: TableIdentity): string {
  return sha256(JSON.stringify(identity));
}

/** The differences between two tables, as `passSize: 4 → 8`; empty if they belong to one run. */
export function identityDifferences(before: TableIdentity, after: TableIdentity): string[] {
  const named = ({ columns, inputs, ...rest }: TableIdentity) => ({
    ...rest,
    columns: columns.map(({ name, kind }) => `${name} (${kind})`).join(', '),
    inputs: { ...inputs, carried: inputs.carried.join(', ') },
  });
  return keyDifferences(named(before), named(after));
}
