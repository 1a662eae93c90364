/** What a listing of images left out. */
import { basename, extname } from 'node:path';
import { shownPath } from '../system-path.js';
import { counted } from '../text.js';

/** What lies in folders or matches globs but is not listed. Names that begin with a dot are not counted. */
export interface LeftOut {
  /** Number of files that hold no readable image, by their ending in lower case, such as `.heic`; '' for files without one. */
  readonly endings: Readonly<Record<string, number>>;
  /** Number of links and paths to images that are listed already. */
  readonly repeated: number;
}

/** Of a listing that left out nothing. */
export const nothingLeftOut: LeftOut = { endings: {}, repeated: 0 };

/** Counts what is left out. */
export class LeftOutCounter {
  readonly #endings = new Map<string, number>();
  repeated = 0;

  add(path: string): void {
    const ending = shownPath(extname(basename(path))).toLowerCase();
    this.#endings.set(ending, (this.#endings.get(ending) ?? 0) + 1);
  }

  /** The most frequent endings first. */
  result(): LeftOut {
    const sorted = [...this.#endings].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    return { endings: Object.fromEntries(sorted), repeated: this.repeated };
  }
}

/** Endings that are named. */
const mostEndings = 10;
const heicEndings = ['.heic', '.heif', '.hif'];

/** `37 .heic, 4 .txt`, with the command that converts HEIC; undefined if nothing was left out. */
export function leftOutText({ endings, repeated }: LeftOut): string | undefined {
  const all = Object.entries(endings);
  const parts = all
    .slice(0, mostEndings)
    .map(([ending, count]) => `${count} ${ending === '' ? 'without an ending' : ending}`);
  const others = all.slice(mostEndings).reduce((sum, [, count]) => sum + count, 0);
  if (others > 0) parts.push(`${others} others`);
  if (repeated > 0)
    parts.push(`${counted(repeated, 'link or path', 'links or paths')} to images listed already`);
  if (parts.length === 0) return undefined;
  const hasHeic = heicEndings.some((ending) => ending in endings);
  const advice = hasHeic ? ' (to convert HEIC: heif-convert photo.heic photo.jpg)' : '';
  return parts.join(', ') + advice;
}

/** For the end of messages: ` Left out: 37 .heic.`; '' if nothing was. */
export function leftOutSentence(leftOut: LeftOutCounter): string {
  const text = leftOutText(leftOut.result());
  return text === undefined ? '' : ` Left out: ${text}.`;
}
