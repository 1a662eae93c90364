/**
 * Goes from the run of a table to that of a table with other images: the new journal has the passes whose images are all known.
 * run.json is replaced in between, at once, so that a process which is killed leaves either run behind.
 */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { gathered, prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, atomicWriteWith, writeError } from '../files.js';
import type { ImageList } from '../images/images-of-paths.js';
import { counted } from '../text.js';
import type { FeatureExtractor } from './extractor.js';
import { isSameFile, sizeOfStamp, stampOf, digestOf } from './extraction-pass.js';
import { identityId, type TableIdentity } from './identity.js';
import { Journal, journalLine, type JournalPass, type JournalRow, type PassEntry } from './journal.js';
import { passesOf, placesOf } from './passes.js';
import { filesOf } from './table-files.js';

/** Images of an extended table. */
export interface Extension {
  /** Images whose file is the same. */
  kept: number;
  /** Images that are new. */
  added: number;
  /** Images whose file has other content than before. */
  changed: number;
  /** Images of the table before that are not listed any more. */
  removed: number;
  /** Kept images that are extracted again, since they share a pass with others than before. */
  repeated: number;
}

/** For the log. */
export function extensionText({ kept, added, changed, removed, repeated }: Extension): string {
  const again = repeated > 0 ? ` (${repeated} of them extracted again with the others of their pass)` : '';
  return `Extending the table: ${counted(kept, 'image')} kept${again}, ${added} new, ${changed} changed, ${removed} removed.`;
}

/** The files of a run. */
type Files = ReturnType<typeof filesOf>;

/** Files looked at, or passes read, at a time. */
const concurrency = 16;
/** Lines of the new journal that are written together. */
const blockLines = 256;

/** An image in the journal. */
interface Known {
  entry: PassEntry;
  /** Place in its pass. */
  index: number;
}

/** Ends a replacement of the journal that a killed process began. Under the lock. */
export async function settleJournal(files: Files, identity: TableIdentity): Promise<void> {
  const next = files.nextJournal(identityId(identity));
  try {
    if (existsSync(next)) await rename(next, files.journal);
    const others = /^journal-.*\.jsonl$/;
    for (const name of existsSync(files.resume) ? await readdir(files.resume) : [])
      if (others.test(name)) await rm(resolve(files.resume, name));
  } catch (cause) {
    throw writeError(files.resume, cause);
  }
}

/**
 * Replaces the run of `before` by one of `after`, which differs in images and form at most. Under the lock, after
 * {@link settleJournal}.
 *
 * @throws DinoSegError DISK_FULL, IO, TABLE; the signal's reason. The run of `before` stays then.
 */
export async function extendRun(
  files: Files,
  before: TableIdentity,
  after: TableIdentity,
  images: ImageList,
  { isIndependent = false }: Pick<FeatureExtractor, 'isIndependent'>,
  signal?: AbortSignal,
): Promise<Extension> {
  if (images.entries.some(({ view }) => view !== undefined))
    throw new DinoSegError(
      'TABLE',
      'A table with a row for each view of a panorama cannot be extended. Make a new table, or one with a row for each panorama (--panorama-rows mean).',
    );
  const id = identityId(after);
  const next = files.nextJournal(id);
  const journal = await Journal.open(files.journal, identityId(before));
  try {
    const known = new KnownImages(journal, images);
    const found = new Map<number, Known>();
    const stamps = new Map<number, string | null>();
    const { passSize, shard } = after;
    const passes = passesOf(shard, images.entries.length, passSize);
    const placesIn = (pass: number) => placesOf(pass, images.entries.length, passSize);
    const extension: Extension = { kept: 0, added: 0, changed: 0, removed: 0, repeated: 0 };
    const look = async (place: number) => {
      const path = resolve(images.entries[place]!.path);
      const stamp = await stampOf(path);
      return { place, path, stamp, same: await known.find(path, stamp) };
    };
    const together = { ahead: 4 * concurrency, concurrency, signal };
    for await (const { place, path, stamp, same } of prefetch(passes.flatMap(placesIn), look, together)) {
      stamps.set(place, stamp ?? same?.entry.stamps[same.index] ?? null);
      if (same) found.set(place, same);
      else if (known.has(path)) extension.changed++;
      else extension.added++;
    }
    extension.kept = found.size;
    extension.removed = known.countRemoved(found.values(), images);
    const rows = new RowReader(journal);
    const lineOf = async (pass: number): Promise<Buffer | number> => {
      const places = placesIn(pass);
      const sources = places.flatMap((place) => found.get(place) ?? []);
      if (sources.length < places.length || !isSamePass(sources, isIndependent)) return sources.length;
      const paths = places.map((place) => resolve(images.entries[place]!.path));
      const kept = { paths, stamps: places.map((place) => stamps.get(place) ?? null) };
      return journalLine(id, await assemblePass(pass, places, sources, kept, rows));
    };
    await atomicWriteWith(next, async (file) => {
      for await (const some of gathered(prefetch(passes, lineOf, together), blockLines)) {
        const lines = some.filter((line) => typeof line !== 'number');
        for (const repeated of some) if (typeof repeated === 'number') extension.repeated += repeated;
        await file.writeFile(Buffer.concat(lines));
      }
    });
    await atomicWriteFile(files.run, `${JSON.stringify(after, null, 2)}\n`);
    await settleJournal(files, after);
    // Their names begin with places that are others now.
    await rm(files.overlays, { recursive: true, force: true });
    return extension;
  } finally {
    await journal.close();
  }
}

/** Whether a pass of known images would give the bits that they have. */
function isSamePass(sources: readonly Known[], isIndependent: boolean): boolean {
  const { entry } = sources[0]!;
  const isWhole = sources.length === entry.stamps.length;
  if (isWhole && sources.every((source, i) => source.entry === entry && source.index === i)) return true;
  const isPlain = ({ entry: { failures, together } }: Known) =>
    failures.length === 0 && together === sources.length;
  return isIndependent && sources.every(isPlain);
}

async function assemblePass(
  pass: number,
  places: readonly number[],
  sources: readonly Known[],
  kept: Pick<JournalPass, 'paths' | 'stamps'>,
  reader: RowReader,
): Promise<JournalPass> {
  const rows: JournalRow[] = [];
  const failures: JournalPass['failures'][number][] = [];
  for (const [i, { entry, index }] of sources.entries()) {
    const place = places[i]!;
    const before = entry.first + index;
    const row = (await reader.rows(entry)).find((one) => one.place === before);
    const failure = entry.failures.find((one) => one.place === before);
    if (row) rows.push({ ...row, place });
    if (failure) failures.push({ ...failure, place });
  }
  const digests = sources.map(({ entry, index }) => entry.digests[index]!);
  return { pass, rows, failures, ...kept, digests, together: sources[0]!.entry.together };
}

/** Reads rows pass by pass; neighbours of the new list are mostly neighbours of the old one. */
class RowReader {
  readonly #kept = new Map<PassEntry, readonly JournalRow[]>();

  constructor(private readonly journal: Journal) {}

  async rows(entry: PassEntry): Promise<readonly JournalRow[]> {
    const found = this.#kept.get(entry) ?? (await this.journal.rows(entry));
    this.#kept.delete(entry);
    this.#kept.set(entry, found);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > 16) this.#kept.delete(oldest!);
    return found;
  }
}

/** The images of a journal: by path, and those that are not listed any more by content. */
class KnownImages {
  readonly #byPath = new Map<string, Known>();
  readonly #unlisted = new Map<string, Known>();
  readonly #unlistedSizes = new Set<string>();

  constructor(journal: Journal, { entries }: ImageList) {
    for (const entry of journal.entries.values())
      for (const [index, path] of entry.paths.entries()) this.#byPath.set(path, { entry, index });
    const listed = new Set(entries.map(({ path }) => resolve(path)));
    for (const [path, known] of this.#byPath) {
      const [stamp, digest] = [known.entry.stamps[known.index], known.entry.digests[known.index]];
      // Messages of failures name the path: they are no other's.
      if (listed.has(path) || !stamp || !digest || isFailed(known)) continue;
      this.#unlisted.set(digest, known);
      this.#unlistedSizes.add(sizeOfStamp(stamp));
    }
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** The image of the same path, or one that was moved, if its file is the same. */
  async find(path: string, stamp: string | null): Promise<Known | undefined> {
    const known = this.#byPath.get(path);
    // As when a run is resumed: a disk that is not mounted must not undo what was made.
    if (stamp === null) return known;
    if (known) {
      const { stamps, digests } = known.entry;
      const isSame = await isSameFile(path, stamp, stamps[known.index]!, digests[known.index]!);
      return isSame ? known : undefined;
    }
    if (!this.#unlistedSizes.has(sizeOfStamp(stamp))) return undefined;
    return this.#unlisted.get((await digestOf(path)) ?? '');
  }

  /** Number of images that are neither listed nor found elsewhere. */
  countRemoved(found: Iterable<Known>, { entries }: ImageList): number {
    const left = new Set(this.#byPath.keys());
    for (const { path } of entries) left.delete(resolve(path));
    for (const { entry, index } of found) left.delete(entry.paths[index]!);
    return left.size;
  }
}

function isFailed({ entry, index }: Known): boolean {
  return entry.failures.some(({ place }) => place === entry.first + index);
}
