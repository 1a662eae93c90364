/** Writes the files of a finished table: rows, failures, description. */
import * as v from 'valibot';
import { DinoSegError, type ErrorCode } from '../errors.js';
import { atomicWriteFile, mostListBytes, readJson } from '../files.js';
import { packageVersion } from '../package-version.js';
import { tsvLine } from './csv.js';
import { Distributions, type Distribution } from './distributions.js';
import type { FeatureColumn } from './extractor.js';
import type { LeftOut } from '../images/left-out.js';
import { codeSchema, measured, ofSchema, sha256Text, wholeNumber, type Schema } from '../schema.js';
import { identitySchema, type TableIdentity } from './identity.js';
import { QualityList, type FlagCounts, type MeasuredImage } from './quality-list.js';
import { descriptionOf, filesOf } from './table-files.js';
import { firstFeature, geometryOf, tableColumns } from './table-form.js';
import type { TableRow } from './table.js';
import { writeTable } from './table-writer.js';

/** An image without a row. */
export interface ExtractionFailure {
  /** Position in the list of all images, from 0. */
  place: number;
  /** Id of the image. */
  id: string;
  /** Path of the image. */
  image: string;
  /** Code of the error: usually FILE_NOT_FOUND, IMAGE, IO or SHAPE. */
  code: ErrorCode;
  /** Message of the error. */
  message: string;
}

/** Result of an image: a row, if its quality allows it, or a failure. Tables of earlier releases have no quality. */
export type Outcome =
  | { row: TableRow; quality?: MeasuredImage }
  | { quality: MeasuredImage; row?: undefined }
  | { failure: ExtractionFailure };

/** Mean of a feature over all rows. */
export interface FeatureMean extends FeatureColumn {
  /** Mean value; null if there are no rows. */
  mean: number | null;
}

/** Contents of `description.json` beside a table. */
export interface TableDescription {
  identity: TableIdentity;
  /** Version of this package that wrote the table. */
  package: string;
  /** When it was finished, ISO 8601. Stored only here, so that tables of one run made at two times are identical. */
  finished: string;
  units: { percent: string; count: string };
  /** SHA-256 of the table. */
  sha256: string;
  rows: number;
  means: readonly FeatureMean[];
  failures: readonly ExtractionFailure[];
  /** Number of images with each quality flag: quality.tsv lists them. */
  flagged?: FlagCounts;
  /** Number of images without a row for their flags. */
  dropped?: number;
  /** What lay in the given folders beside the images. */
  leftOut?: LeftOut;
}

const failureSchema = v.object({
  place: wholeNumber,
  id: v.string(),
  image: v.string(),
  code: codeSchema,
  message: v.string(),
}) satisfies Schema<ExtractionFailure>;

const descriptionSchema = v.object({
  identity: identitySchema,
  package: v.string(),
  finished: v.string(),
  units: v.object({ percent: v.string(), count: v.string() }),
  sha256: sha256Text,
  rows: wholeNumber,
  means: v.array(v.object({ name: v.string(), kind: v.picklist(['percent', 'count']), mean: measured })),
  failures: v.array(failureSchema),
  flagged: v.exactOptional(
    v.object({ tiny: wholeNumber, uniform: wholeNumber, transparent: wholeNumber, duplicate: wholeNumber }),
  ),
  dropped: v.exactOptional(wholeNumber),
  leftOut: v.exactOptional(v.object({ endings: v.record(v.string(), wholeNumber), repeated: wholeNumber })),
}) satisfies Schema<TableDescription>;

/** What {@link writeOutputs} wrote. */
export interface WrittenTable extends TableDescription {
  distributions: readonly Distribution[];
  /** Ids of images without a row for their flags. */
  droppedIds: ReadonlySet<string>;
  /** Images with a flag; undefined for shards of earlier releases. */
  quality: QualityList | undefined;
}

const units = { percent: 'percent of the pixels of the image, 0…100', count: 'objects' };

/**
 * Writes the table, the list of failures and, last, the description. Returns the description and the distributions
 * of the values.
 *
 * @param outcomes in the order of the images.
 * @throws DinoSegError DISK_FULL, IO, and what `outcomes` throws; existing files then stay.
 */
export async function writeOutputs(
  output: string,
  identity: TableIdentity,
  outcomes: AsyncIterable<Outcome>,
  leftOut?: LeftOut,
): Promise<WrittenTable> {
  const failures: ExtractionFailure[] = [];
  const first = firstFeature(identity);
  const spread = new Distributions(identity.columns);
  const { dropFlagged = false } = identity;
  const list = new QualityList(dropFlagged);
  const droppedIds = new Set<string>();
  let [rows, measured] = [0, 0];
  async function* taken(): AsyncGenerator<TableRow> {
    for await (const outcome of outcomes) {
      if ('failure' in outcome) {
        failures.push(outcome.failure);
        continue;
      }
      const { row, quality } = outcome;
      if (quality) {
        measured++;
        if (!list.add(quality)) droppedIds.add(quality.id);
      }
      if (!row || (quality && droppedIds.has(quality.id))) continue;
      rows++;
      spread.add((column) => row[first + column] as number);
      yield row;
    }
  }
  // Shards of a table that are merged give the bytes of one run: what a shard is stays outside.
  const { shard: _, ...provenance } = identity;
  const metadata = { 'dinov3-seg': JSON.stringify({ package: packageVersion(), units, ...provenance }) };
  const columns = tableColumns(identity);
  const { formulas } = identity.form;
  const sha256 = await writeTable(output, columns, taken(), metadata, geometryOf(identity), formulas);
  const files = filesOf(output);
  const lines = failures.map(({ id, image, code, message }) => tsvLine([id, image, code, message]));
  await atomicWriteFile(files.failures, tsvLine(['id', 'image', 'code', 'message']) + lines.join(''));
  const quality = measured > 0 || rows === 0 ? list : undefined;
  await quality?.write(output);
  const distributions = spread.result();
  const description: TableDescription = {
    identity,
    package: packageVersion(),
    finished: new Date().toISOString(),
    units,
    sha256,
    rows,
    means: identity.columns.map((column, i) => ({ ...column, mean: distributions[i]!.mean })),
    failures,
    ...(quality && { flagged: quality.counts, dropped: droppedIds.size }),
    ...(leftOut && { leftOut }),
  };
  await atomicWriteFile(files.description, `${JSON.stringify(description, null, 2)}\n`);
  return { ...description, distributions, droppedIds, quality };
}

/** Reads the description beside a table. @throws DinoSegError TABLE if it is damaged; FILE_NOT_FOUND, IO */
export async function readDescription(output: string): Promise<TableDescription> {
  const path = descriptionOf(output);
  const found = await readJson(path, 'TABLE', undefined, mostListBytes);
  return ofSchema(
    descriptionSchema,
    found,
    (what) =>
      new DinoSegError(
        'TABLE',
        `${path} does not describe a table of this release: ${what}. Extract it again.`,
      ),
  );
}
