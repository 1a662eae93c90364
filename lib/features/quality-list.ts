/** The list of a table's images with their quality: `quality.tsv`. */
import { existsSync } from 'node:fs';
import { DinoSegError } from '../errors.js';
import { atomicWriteWith } from '../files.js';
import { shownPath } from '../system-path.js';
import { readCsv, textOfCell, tsvLine } from './csv.js';
import { flagsOf, qualityFlags, type ImageQuality, type QualityFlag } from './quality.js';
import { filesOf } from './table-files.js';

/** An image that was decoded, with what was measured of it. */
export interface MeasuredImage extends ImageQuality {
  readonly id: string;
  /** Path of the file. */
  readonly image: string;
  readonly width: number;
  readonly height: number;
  /** {@link contentOf} */
  readonly content: string;
}

/** Identifies what is seen: half of the SHA-256 of the file, hexadecimal, and for a view of a panorama `#` and its number. */
export function contentOf(digest: string | null | undefined, view: number | undefined): string {
  if (!digest) return '';
  const half = digest.slice(0, 32);
  return view === undefined ? half : `${half}#${view}`;
}

/** An image with at least one flag. */
export interface FlaggedImage {
  /** Id of the image. */
  readonly id: string;
  /** Path of the image. */
  readonly image: string;
  /** Why it is marked. */
  readonly flags: readonly QualityFlag[];
}

/** Number of images with each flag; an image may have several. */
export type FlagCounts = Readonly<Record<QualityFlag, number>>;

/** Images with a flag that are kept for the report. */
const mostFlagged = 24;

const header = [
  ...['id', 'image', 'flags', 'duplicate_of', 'left_out', 'width', 'height'],
  ...['transparent_percent', 'uniform_percent', 'content', 'notes'],
];

/** Gathers the images of a table in their order. */
export class QualityList {
  /** The first images with a flag. */
  readonly flagged: FlaggedImage[] = [];
  /** Number of images with a flag. */
  flaggedCount = 0;
  readonly #counts = new Map<QualityFlag, number>();
  readonly #lines: string[] = [];
  /** Contents → id of the first image with them. */
  readonly #first = new Map<string, string>();

  /** @param dropFlagged whether images with a flag get no row */
  constructor(private readonly dropFlagged: boolean) {}

  /** Takes the next image. Returns whether it gets a row. */
  add(measured: MeasuredImage): boolean {
    const { id, image, width, height, transparent, uniform, content, notes = [] } = measured;
    const flags = flagsOf(measured, measured);
    const before = this.#first.get(content);
    if (before !== undefined) flags.push('duplicate');
    // Empty: the file was gone before its contents were identified.
    else if (content !== '') this.#first.set(content, id);
    const isLeftOut = this.dropFlagged && flags.length > 0;
    this.#lines.push(
      tsvLine([
        ...[id, shownPath(image), flags.join(' '), before ?? '', isLeftOut ? 'yes' : '', width, height],
        ...[transparent, uniform, content, notes.join(' ')],
      ]),
    );
    for (const flag of flags) this.#counts.set(flag, (this.#counts.get(flag) ?? 0) + 1);
    if (flags.length > 0 && this.flaggedCount++ < mostFlagged) this.flagged.push({ id, image, flags });
    return !isLeftOut;
  }

  get counts(): FlagCounts {
    const entries = qualityFlags.map((flag) => [flag, this.#counts.get(flag) ?? 0]);
    return Object.fromEntries(entries) as Record<QualityFlag, number>;
  }

  /** Writes `quality.tsv` beside a table. @throws DinoSegError DISK_FULL, IO */
  async write(output: string): Promise<void> {
    await atomicWriteWith(filesOf(output).quality, async (file) => {
      await file.writeFile(tsvLine(header));
      for (let first = 0; first < this.#lines.length; first += 1000)
        await file.writeFile(this.#lines.slice(first, first + 1000).join(''));
    });
  }
}

/** An image in the list of a table, and whether it has no row for its flags. */
export interface ListedQuality {
  readonly measured: MeasuredImage;
  readonly isLeftOut: boolean;
}

/**
 * Reads the list of a table; undefined if there is none, as beside tables of earlier releases.
 *
 * @throws DinoSegError TABLE for another file, IO
 */
export function readQuality(output: string): AsyncGenerator<ListedQuality, void, void> | undefined {
  const path = filesOf(output).quality;
  return existsSync(path) ? linesOf(path) : undefined;
}

async function* linesOf(path: string): AsyncGenerator<ListedQuality, void, void> {
  let isHeader = true;
  for await (const { cells, line } of readCsv(path, 'TABLE', { separator: '\t' })) {
    const [id, image, , , leftOut, ...rest] = cells.map(textOfCell) as [string, string, ...string[]];
    const [width, height, transparent, uniform] = rest.map(Number) as [number, number, number, number];
    const [content, notes] = rest.slice(4) as [string, string];
    const isMade = isHeader
      ? cells.join() === header.join()
      : [width, height, transparent, uniform].every(isFinite);
    if (!isMade)
      throw new DinoSegError(
        'TABLE',
        `${path}, line ${line} is not of a list of images. Extract the table again.`,
      );
    const measured = { id, image, width, height, transparent, uniform, content };
    if (!isHeader)
      yield { measured: notes ? { ...measured, notes: [notes] } : measured, isLeftOut: leftOut === 'yes' };
    isHeader = false;
  }
}
