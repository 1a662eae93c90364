/** What determines the rows of a table. A table begun with a different identity is never resumed. */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { keyDifferences, sha256 } from '../cache/key.js';
import type { FeatureColumn, FeatureExtractor } from './extractor.js';
import type { CarriedKind, ImageList } from '../images/images-of-paths.js';
import { naturalNumber, wholeNumber, type Schema } from '../schema.js';
import { shardSchema, type Shard } from '../shard.js';

/** Orders of columns. `id-first`: id, columns of the manifest, features. `features-first`: features, columns of the manifest. */
export const columnOrders = ['id-first', 'features-first'] as const;
/** One of {@link columnOrders}. */
export type ColumnOrder = (typeof columnOrders)[number];

/**
 * Names of columns. `plain`: as in the manifest and the class set. `sql`: lower-case letters, digits and underscores, beginning with
 * a letter.
 */
export const nameStyles = ['plain', 'sql'] as const;
/** One of {@link nameStyles}. */
export type NameStyle = (typeof nameStyles)[number];

/** The form of a table, a part of its identity. */
export interface TableForm {
  columns: ColumnOrder;
  names: NameStyle;
  /** Columns with the place of an image in degrees (WGS 84); null if there are none. */
  location: { latitude: string; longitude: string } | null;
  /** Absent: `text`, as in tables of before it could be chosen. */
  formulas?: 'keep';
}

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
    /** What the cells of each of these columns are. */
    kinds: readonly CarriedKind[];
    /** SHA-256 over ids and copied cells, in their order. */
    digest: string;
  };
  form: TableForm;
  shard: Shard;
  /** Present if images with a quality flag have no row. */
  dropFlagged?: true;
}

const columnSchema = v.object({
  name: v.string(),
  kind: v.picklist(['percent', 'count']),
}) satisfies Schema<FeatureColumn>;

/** Of run.json, and of a part of description.json. */
export const identitySchema = v.object({
  format: v.literal(1),
  columns: v.array(columnSchema),
  settings: v.record(v.string(), v.unknown()),
  passSize: naturalNumber,
  inputs: v.pipe(
    v.object({
      images: wholeNumber,
      carried: v.array(v.string()),
      kinds: v.array(v.picklist(['integer', 'number', 'text'])),
      digest: v.string(),
    }),
    v.check(({ carried, kinds }) => carried.length === kinds.length),
  ),
  form: v.object({
    columns: v.picklist(columnOrders),
    names: v.picklist(nameStyles),
    location: v.nullable(v.object({ latitude: v.string(), longitude: v.string() })),
    formulas: v.exactOptional(v.literal('keep')),
  }),
  shard: shardSchema,
  dropFlagged: v.exactOptional(v.literal(true)),
}) satisfies Schema<TableIdentity>;

/** The identity of a table of these images. */
export function tableIdentity(
  extractor: FeatureExtractor,
  images: ImageList,
  { form, shard, dropFlagged }: { form: TableForm; shard: Shard; dropFlagged: boolean },
): TableIdentity {
  const { columns, settings, passSize } = extractor;
  const { entries, carried, carriedKinds: kinds = carried.map(() => 'text' as const) } = images;
  const hash = createHash('sha256');
  for (const { id, carried: cells } of entries) hash.update(`${JSON.stringify([id, ...cells])}\n`);
  const inputs = { images: entries.length, carried, kinds, digest: hash.digest('hex') };
  // What JSON leaves out or changes must not tell a table from itself.
  return JSON.parse(
    JSON.stringify({
      ...{ format: 1, columns, settings, passSize, inputs, form, shard },
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
  const named = ({ columns, inputs, form, ...rest }: TableIdentity) => ({
    ...rest,
    form: { ...form, location: form.location ? Object.values(form.location).join(', ') : 'none' },
    columns: columns.map(({ name, kind }) => `${name} (${kind})`).join(', '),
    inputs: { ...inputs, carried: inputs.carried.join(', '), kinds: inputs.kinds.join(', ') },
  });
  return keyDifferences(named(before), named(after));
}

/**
 * Whether two tables differ at most in their images, what is copied of them, which of them are left out, and their form: `--extend` goes
 * from one to the other.
 */
export function isExtension(before: TableIdentity, after: TableIdentity): boolean {
  const { inputs, form, dropFlagged: _, ...others } = after;
  const { dropFlagged: __, ...same } = before;
  return identityDifferences({ ...same, inputs, form }, { ...others, inputs, form }).length === 0;
}
