/** Merges the shards of a table. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkArgument, checkOptions, paths, signalOption, text } from '../arguments.js';
import { isSideFile } from '../images/own-outputs.js';
import { DinoSegError } from '../errors.js';
import { fileDigest } from '../files.js';
import { FolderLock } from '../folder-lock.js';
import type { ReportOutcome } from '../report/html/attempt.js';
import { inOrder, missingShards, whole, type Shard } from '../shard.js';
import { identityDifferences, type TableIdentity } from './identity.js';
import { refuse } from './open-run.js';
import { placesOf } from './passes.js';
import { readQuality, type ListedQuality } from './quality-list.js';
import { adoptEarlierFiles, descriptionOf, filesOf, isEarlierFailures } from './table-files.js';
import { checkTable, tableColumns } from './table-form.js';
import { readTable } from './table-reader.js';
import { writeTableReport } from './table-report.js';
import { formatOf, type TableRow } from './table.js';
import {
  readDescription,
  writeOutputs,
  type ExtractionFailure,
  type FeatureMean,
  type Outcome,
  type TableDescription,
} from './write-outputs.js';

/** Result of {@link mergeTables}; `report`: the page beside the table. */
export interface MergeSummary extends ReportOutcome {
  /** Path of the table. */
  output: string;
  /** Number of rows of the whole table. */
  rows: number;
  /** Images without a row. */
  failures: readonly ExtractionFailure[];
  /** Mean of each feature over all rows. */
  means: readonly FeatureMean[];
}

interface ShardTable {
  path: string;
  shard: Shard;
  description: TableDescription;
}

/**
 * Merges the shards of a table, each with the folder beside it (`part-1_csv_files` for `part-1.csv`). The result
 * has the same bytes as a table made by one run. Shards may be CSV or Parquet, whatever the output is.
 *
 * @throws DinoSegError TABLE if shards are missing, given twice, of different runs, or do not match their
 *   description, or if the output belongs to another run; FILE_NOT_FOUND, INVALID_ARGUMENT, DISK_FULL, IO; the
 *   signal's reason.
 */
export async function mergeTables(
  inputs: readonly string[],
  output: string,
  options: { signal?: AbortSignal } = {},
): Promise<MergeSummary> {
  checkArgument(inputs, paths, 'mergeTables(inputs)');
  checkArgument(output, text, 'mergeTables(output)');
  checkOptions(options, signalOption, 'mergeTables()');
  formatOf(output);
  const shards: ShardTable[] = [];
  for (const path of inputs) {
    if (isEarlierFailures(path)) continue;
    checkInput(path, output);
    const description = await readDescription(path);
    shards.push({ path, shard: description.identity.shard, description });
  }
  const ordered = checkedShards(shards);
  const identity: TableIdentity = { ...ordered[0]!.description.identity, shard: whole };
  checkTable(output, identity);
  await adoptEarlierFiles(output);
  await refuseOther(output, identity);
  for (const shard of ordered) await checkBytes(shard, options.signal);
  await using _lock = await FolderLock.take(filesOf(output).folder, output, 'TABLE');
  const outcomes = outcomesOf(ordered, identity, options.signal);
  // All shards were given the same folders.
  const { leftOut } = ordered[0]!.description;
  const written = await writeOutputs(output, identity, outcomes, leftOut);
  const { rows, failures, means } = written;
  const report = await writeTableReport({ output, ...written });
  return { output, rows, failures, means, ...report };
}

async function refuseOther(output: string, identity: TableIdentity): Promise<void> {
  if (!existsSync(output)) return;
  const { description } = filesOf(output);
  if (!existsSync(description))
    throw new DinoSegError(
      'TABLE',
      `${output} already exists and was not made by a merge. Choose another --output, or remove it.`,
    );
  refuse(output, description, (await readDescription(output)).identity, identity);
}

/** @throws DinoSegError INVALID_ARGUMENT for a file that is not a table, and for the output itself */
function checkInput(path: string, output: string): void {
  const refuse = (what: string) =>
    new DinoSegError('INVALID_ARGUMENT', `${path} is ${what}. Give the tables to merge, such as part-*.csv.`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw refuse('a folder');
  if (isSideFile(path)) throw refuse('a file beside a table, not a table');
  if (resolve(path) === resolve(output)) throw refuse('the output itself, and also one of the tables');
  if (formatOf(path) === 'geojson') throw refuse('GeoJSON, which is for the merged table alone');
}

/** By their numbers. */
function checkedShards(shards: readonly ShardTable[]): ShardTable[] {
  const [first] = shards;
  if (!first) throw new DinoSegError('INVALID_ARGUMENT', 'No table was given to merge.');
  const { count } = first.description.identity.shard;
  for (const shard of shards) {
    const { identity } = shard.description;
    const differences = identityDifferences(
      { ...first.description.identity, shard: { index: 1, count } },
      { ...identity, shard: { ...identity.shard, index: 1 } },
    );
    if (differences.length > 0)
      throw new DinoSegError(
        'TABLE',
        `${first.path} and ${shard.path} belong to different runs:\n  ${differences.join('\n  ')}`,
      );
  }
  const ordered = inOrder(shards, 'shard', 'TABLE');
  const missing = missingShards(ordered, count);
  if (missing !== '')
    throw new DinoSegError(
      'TABLE',
      `Missing shards: ${missing}. Run the command of each of them again (it continues where it stopped), then merge.`,
    );
  return ordered;
}

async function checkBytes({ path, description }: ShardTable, signal: AbortSignal | undefined): Promise<void> {
  if ((await fileDigest(path, signal)) !== description.sha256)
    throw new DinoSegError(
      'TABLE',
      `${path} does not match ${descriptionOf(path)}: it was changed or truncated. Run its extraction again.`,
    );
}

async function* outcomesOf(
  shards: readonly ShardTable[],
  identity: TableIdentity,
  signal: AbortSignal | undefined,
): AsyncGenerator<Outcome> {
  const columns = tableColumns(identity);
  const { passSize, inputs } = identity;
  const sources = shards.map(({ path, description }) => ({
    path,
    rows: readTable(path, columns, identity.form.formulas),
    quality: readQuality(path),
    failures: new Map(description.failures.map((failure) => [failure.place, failure])),
  }));
  try {
    for (let pass = 0; pass * passSize < inputs.images; pass++) {
      signal?.throwIfAborted();
      const source = sources[pass % sources.length]!;
      for (const place of placesOf(pass, inputs.images, passSize)) {
        const failure = source.failures.get(place);
        yield failure ? { failure } : await nextOutcome(source);
      }
    }
    for (const { path, rows } of sources)
      if (!(await rows.next()).done) throw new DinoSegError('TABLE', `${path} has more rows than images.`);
  } finally {
    for (const { rows, quality } of sources) {
      await rows.return();
      await quality?.return();
    }
  }
}

interface ShardRows {
  path: string;
  rows: AsyncGenerator<TableRow, void>;
  quality: AsyncGenerator<ListedQuality, void, void> | undefined;
}

/** The next image that was read. */
async function nextOutcome(shard: ShardRows): Promise<Outcome> {
  if (!shard.quality) return { row: await nextRow(shard) };
  const { value } = await shard.quality.next();
  if (!value)
    throw new DinoSegError(
      'TABLE',
      `The list of images beside ${shard.path} is short. Run its extraction again.`,
    );
  const { measured, isLeftOut } = value;
  return isLeftOut ? { quality: measured } : { row: await nextRow(shard), quality: measured };
}

async function nextRow({ path, rows }: ShardRows): Promise<TableRow> {
  const { value } = await rows.next();
  if (value) return value;
  throw new DinoSegError(
    'TABLE',
    `${path} has fewer rows than ${descriptionOf(path)} states. Run its extraction again.`,
  );
}
