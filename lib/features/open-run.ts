/** Begins or resumes an extraction: obtains the right to write, and the finished work. */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, readError, readJson } from '../files.js';
import { FolderLock } from '../folder-lock.js';
import { ofSchema } from '../schema.js';
import type { ImageList } from '../images/images-of-paths.js';
import { extendRun, settleJournal, type Extension } from './extend-run.js';
import type { FeatureExtractor } from './extractor.js';
import {
  identityDifferences,
  identityId,
  identitySchema,
  isExtension,
  type TableIdentity,
} from './identity.js';
import { Journal } from './journal.js';
import { adoptEarlierFiles, filesOf } from './table-files.js';
import { formatOf } from './table.js';
import { readDescription } from './write-outputs.js';

/** A running extraction; disposing of it ends the writing. */
export interface OpenRun extends AsyncDisposable {
  readonly journal: Journal;
  /** What became of the images of the table that was extended; undefined if nothing was to be changed. */
  readonly extension: Extension | undefined;
}

/** How a run is opened. */
export interface OpenRunOptions {
  images: ImageList;
  extractor: FeatureExtractor;
  /** Whether a table with other images is extended. */
  extend: boolean;
  signal: AbortSignal | undefined;
}

/**
 * Opens the work folder of a table for this process alone.
 *
 * @throws DinoSegError TABLE if the table or the folder belong to another run (with the differences), another
 *   process is writing, or only the finished table is left; INVALID_ARGUMENT for a file that is no table; DISK_FULL, IO; the
 *   signal's reason.
 */
export async function openRun(
  output: string,
  identity: TableIdentity,
  options: OpenRunOptions,
): Promise<OpenRun> {
  formatOf(output);
  const files = filesOf(output);
  await adoptEarlierFiles(output);
  await findRun(output, identity, options.extend);
  const lock = await FolderLock.take(files.folder, output, 'TABLE');
  try {
    // Another process may have begun one in between.
    const before = await findRun(output, identity, options.extend);
    await sweep(dirname(resolve(output)), `.${basename(output)}.`);
    await sweep(files.folder, '.');
    await sweep(files.resume, '.');
    if (before) await settleJournal(files, before);
    else await atomicWriteFile(files.run, `${JSON.stringify(identity, null, 2)}\n`);
    const isOther = before && identityId(before) !== identityId(identity);
    const { images, extractor, signal } = options;
    const extension = isOther
      ? await extendRun(files, before, identity, images, extractor, signal)
      : undefined;
    const journal = await Journal.open(files.journal, identityId(identity));
    const close = async () => {
      await journal.close();
      await lock[Symbol.asyncDispose]();
    };
    return { journal, extension, [Symbol.asyncDispose]: close };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** The run that is continued, or extended; undefined for a new one. */
async function findRun(
  output: string,
  identity: TableIdentity,
  extend: boolean,
): Promise<TableIdentity | undefined> {
  const files = filesOf(output);
  if (existsSync(files.run)) {
    const before = ofSchema(
      identitySchema,
      await readJson(files.run, 'TABLE'),
      (what) =>
        new DinoSegError(
          'TABLE',
          `${files.run} is damaged or from another release: ${what}. Choose another --output.`,
        ),
    );
    refuse(output, files.run, before, identity, extend);
    return before;
  }
  if (!existsSync(output)) return undefined;
  if (!existsSync(files.description))
    throw new DinoSegError(
      'TABLE',
      `${output} already exists and was not made by an extraction. Choose another --output, or remove it.`,
    );
  refuse(output, files.description, (await readDescription(output)).identity, identity, extend);
  throw new DinoSegError(
    'TABLE',
    `${output} is finished, but ${files.resume}, which is needed to resume, is missing. Remove the table to make it again.`,
  );
}

/** @throws DinoSegError TABLE where a table of `before` is not that of `after` */
export function refuse(
  output: string,
  path: string,
  before: TableIdentity,
  after: TableIdentity,
  extend = false,
): void {
  const differences = identityDifferences(before, after);
  if (differences.length === 0) return;
  const canExtend = isExtension(before, after);
  if (extend && canExtend) return;
  throw new DinoSegError(
    'TABLE',
    `${output} was begun with other settings (${path}):\n  ${differences.join('\n  ')}\n` +
      (canExtend
        ? 'To keep the rows of unchanged images, extend the table: --extend. Otherwise choose'
        : 'Choose') +
      ` another --output, or remove ${output} and ${filesOf(output).folder}.`,
  );
}

/** Removes what a killed process left while it wrote the finished files. */
async function sweep(folder: string, prefix: string): Promise<void> {
  try {
    for (const found of existsSync(folder) ? await readdir(folder) : [])
      if (found.startsWith(prefix) && /\.[0-9a-f]{12}\.tmp$/.test(found))
        await rm(join(folder, found), { force: true });
  } catch (cause) {
    throw readError(folder, cause);
  }
}
