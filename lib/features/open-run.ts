/** Begins or resumes an extraction: obtains the right to write, and the finished work. */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, readError, readJson } from '../files.js';
import { FolderLock } from '../folder-lock.js';
import { identityDifferences, identityId, type TableIdentity } from './identity.js';
import { Journal } from './journal.js';
import { adoptEarlierFiles, filesOf } from './table-files.js';
import { formatOf } from './table-writer.js';
import { readDescription } from './write-outputs.js';

/** A running extraction; disposing of it ends the writing. */
export interface OpenRun extends AsyncDisposable {
  readonly journal: Journal;
}

/**
 * Opens the work folder of a table for this process alone.
 *
 * @throws DinoSegError TABLE if the table or the folder belong to another run (with the differences), another
 *   process is writing, or only the finished table is left; INVALID_ARGUMENT for a file that is not .csv or
 *   .parquet; DISK_FULL, IO.
 */
export async function openRun(output: string, identity: TableIdentity): Promise<OpenRun> {
  formatOf(output);
  const files = filesOf(output);
  await adoptEarlierFiles(output);
  await refuseOthers(output, identity);
  const lock = await FolderLock.take(files.folder, output, 'TABLE');
  try {
    // Another process may have begun one in between.
    await refuseOthers(output, identity);
    await sweep(dirname(resolve(output)), `.${basename(output)}.`);
    await sweep(files.folder, '.');
    if (!existsSync(files.run)) await atomicWriteFile(files.run, `${JSON.stringify(identity, null, 2)}\n`);
    const journal = await Journal.open(files.journal, identityId(identity));
    const close = async () => {
      await journal.close();
      await lock[Symbol.asyncDispose]();
    };
    return { journal, [Symbol.asyncDispose]: close };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

async function refuseOthers(output: string, identity: TableIdentity): Promise<void> {
  const files = filesOf(output);
  if (existsSync(files.run)) {
    const before = (await readJson(files.run, 'TABLE')) as TableIdentity;
    return refuse(output, files.run, before, identity);
  }
  if (!existsSync(output)) return;
  if (!existsSync(files.description))
    throw new DinoSegError(
      'TABLE',
      `${output} already exists and was not made by an extraction. Choose another --output, or remove it.`,
    );
  refuse(output, files.description, (await readDescription(output)).identity, identity);
  throw new DinoSegError(
    'TABLE',
    `${output} is finished, but ${files.resume}, which is needed to resume, is missing. Remove the table to make it again.`,
  );
}

/** @throws DinoSegError TABLE where a table of `before` is not that of `after` */
export function refuse(output: string, path: string, before: TableIdentity, after: TableIdentity): void {
  if (before?.format !== 1 || !before.inputs || !before.shard)
    throw new DinoSegError('TABLE', `${path} is damaged or from another release. Choose another --output.`);
  const differences = identityDifferences(before, after);
  if (differences.length === 0) return;
  throw new DinoSegError(
    'TABLE',
    `${output} was begun with other settings (${path}):\n  ${differences.join('\n  ')}\n` +
      `Choose another --output, or remove ${output} and ${filesOf(output).folder}.`,
  );
}

/** Removes what a killed process left while it wrote the finished files. */
async function sweep(folder: string, prefix: string): Promise<void> {
  try {
    for (const found of await readdir(folder))
      if (found.startsWith(prefix) && /\.[0-9a-f]{12}\.tmp$/.test(found))
        await rm(join(folder, found), { force: true });
  } catch (cause) {
    throw readError(folder, cause);
  }
}
