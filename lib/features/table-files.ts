/** The files beside a table. They have a folder of their own, so that no glob for tables or photographs matches them. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { makeFolder, mostListBytes, readJson, writeError } from '../files.js';
import { faultOf } from '../schema.js';
import { sideFolderOf } from '../images/own-outputs.js';

/** The files of a table `features.csv`, in `features_csv_files`. */
export function filesOf(output: string) {
  const folder = sideFolderOf(output);
  return {
    folder,
    /** Settings and inputs of the table. */
    description: join(folder, 'description.json'),
    /** Images without a row. */
    failures: join(folder, 'failures.tsv'),
    /** Images with what may be wrong with them. */
    quality: join(folder, 'quality.tsv'),
    /** Overlay pictures for viewing. */
    overlays: join(folder, 'overlays'),
    /** Report page. */
    report: join(folder, 'report.html'),
    /** Data that a later run resumes from. */
    resume: join(folder, 'resume'),
    run: join(folder, 'resume/run.json'),
    journal: join(folder, 'resume/journal.jsonl'),
    /** The journal that replaces {@link journal} as soon as run.json has the identity of this id. */
    nextJournal: (id: string) => join(folder, `resume/journal-${id}.jsonl`),
  };
}

/** Paths of earlier releases: in the table's own folder. */
function earlierFilesOf(output: string) {
  return {
    description: `${output}.json`,
    failures: `${output}.failures.csv`,
    overlays: `${output}.overlays`,
    report: `${output}.report.html`,
    resume: `${output}.work`,
  };
}

/** Whether a file is the list of failures that an earlier release wrote beside a table, which `part-*.csv` matches. */
export function isEarlierFailures(path: string): boolean {
  const [, table] = /^(.+\.(?:csv|parquet))\.failures\.csv$/.exec(path) ?? [];
  return table !== undefined && existsSync(table);
}

/** Path of a table's description: an earlier release's, if that is the only one. */
export function descriptionOf(output: string): string {
  const { description } = filesOf(output);
  const earlier = earlierFilesOf(output).description;
  return !existsSync(description) && existsSync(earlier) ? earlier : description;
}

/**
 * Moves an earlier release's files beside a table to where this release expects them, so that the run can resume.
 * Its list of failures is removed: the description contains them too, and the run writes a new list.
 *
 * @throws DinoSegError TABLE for a damaged description; DISK_FULL, IO
 */
export async function adoptEarlierFiles(output: string): Promise<void> {
  const files = filesOf(output);
  const earlier = earlierFilesOf(output);
  if (existsSync(files.run) || existsSync(files.description)) return;
  const isOurs = existsSync(join(earlier.resume, 'run.json')) || (await describesTable(earlier.description));
  if (!isOurs) return;
  try {
    await makeFolder(files.folder);
    for (const kind of ['report', 'overlays', 'resume', 'description'] as const)
      if (existsSync(earlier[kind])) await rename(earlier[kind], files[kind]);
    await rm(earlier.failures, { force: true });
  } catch (cause) {
    throw writeError(files.folder, cause);
  }
}

async function describesTable(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  const found = await readJson(path, 'TABLE', undefined, mostListBytes);
  return faultOf(v.object({ identity: v.object({ format: v.literal(1) }) }), found) === undefined;
}
