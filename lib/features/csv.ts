/** CSV as defined by RFC 4180, and what spreadsheets make of it. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { DinoSegError, type ErrorCode } from '../errors.js';
import { byteLines, readError } from '../files.js';

/** A cell of a table; null for none. */
export type Cell = string | number | bigint | null;

/** A line with its end. Numbers as the shortest text that reads back to them; nothing for null. */
export function csvLine(cells: readonly Cell[]): string {
  return delimitedLine(cells, ',');
}

/** {@link csvLine} with tabs in place of commas. */
export function tsvLine(cells: readonly Cell[]): string {
  return delimitedLine(cells, '\t');
}

function delimitedLine(cells: readonly Cell[], separator: string): string {
  return `${cells.map((cell) => csvCell(cell === null ? '' : String(cell), separator)).join(separator)}\r\n`;
}

function csvCell(text: string, separator: string): string {
  return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row and the line of the file that it begins on, from 1. */
export interface CsvRow {
  cells: string[];
  line: number;
}

/** How the cells of a file are separated. */
interface Dialect {
  separator: string;
  /** Whether spaces that follow a separator are none of the cell's. */
  skipsSpaces: boolean;
}

/** Of a header: the most frequent of `,`, `;` and tab outside quotes, and whether a space follows each. */
function dialectOf(header: string): Dialect {
  const outside = header.replace(/"(?:[^"]|"")*"/g, 'quoted');
  const parts = [',', ';', '\t'].map((separator) => ({ separator, cells: outside.split(separator) }));
  const { separator, cells } = parts.reduce((a, b) => (b.cells.length > a.cells.length ? b : a));
  return { separator, skipsSpaces: cells.length > 1 && cells.slice(1).every((cell) => cell.startsWith(' ')) };
}

/** Takes characters, gives rows. */
class CsvParser {
  #cells: string[] = [];
  #cell = '';
  #state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  #afterReturn = false;
  #line = 1;
  #rowLine = 1;

  constructor(
    private readonly fail: (line: number, reason: string) => DinoSegError,
    private readonly dialect: Dialect,
  ) {}

  *push(text: string): Generator<CsvRow> {
    for (const c of text) {
      const second = c === '\n' && this.#afterReturn;
      this.#afterReturn = c === '\r' && this.#state !== 'quoted';
      if (c === '\n') this.#line++;
      if (second) this.#rowLine = this.#line;
      else yield* this.#take(c);
    }
  }

  *#take(c: string): Generator<CsvRow> {
    if (this.#state === 'quoted') {
      if (c === '"') this.#state = 'closed';
      else this.#cell += c;
    } else if (c === this.dialect.separator) this.#endCell();
    else if (c === ' ' && this.dialect.skipsSpaces && this.#state === 'start') return;
    else if (c === '\n' || c === '\r') yield* this.#endRow();
    else if (c !== '"') {
      if (this.#state === 'closed') throw this.fail(this.#line, `"${c}" follows the quote that ends a cell`);
      this.#state = 'plain';
      this.#cell += c;
    } else if (this.#state === 'plain')
      throw this.fail(this.#line, 'an unquoted cell contains a quote; quote the cell and write ""');
    else {
      if (this.#state === 'closed') this.#cell += '"';
      this.#state = 'quoted';
    }
  }

  #endCell(): void {
    this.#cells.push(this.#cell);
    this.#cell = '';
    this.#state = 'start';
  }

  *#endRow(): Generator<CsvRow> {
    const isEmpty = this.#cells.length === 0 && this.#state === 'start';
    if (!isEmpty) {
      this.#endCell();
      yield { cells: this.#cells, line: this.#rowLine };
    }
    this.#cells = [];
    this.#rowLine = this.#line;
  }

  *end(): Generator<CsvRow> {
    if (this.#state === 'quoted')
      throw this.fail(this.#rowLine, 'a quoted cell that begins in this row is not closed');
    yield* this.#endRow();
  }
}

/** How {@link readCsv} reads. */
export interface CsvReading {
  /**
   * Whether the file may be of a spreadsheet or another program: cells are separated by `,`, `;` or tab, whichever the header
   * has most of, perhaps with a space behind each; rows without a text are skipped. Default: RFC 4180 alone.
   */
  foreign?: boolean;
  /** Separates the cells of a file that is not foreign. Default `,`. */
  separator?: string;
}

/**
 * Reads the rows of a CSV file in UTF-8 (or UTF-16 with a byte order mark), the header first. A byte order mark and empty
 * lines are skipped; line ends may be LF.
 *
 * @param code of the error if the file is not CSV or a row has another number of cells than the header.
 * @throws FILE_NOT_FOUND, IO, and `code`
 */
export async function* readCsv(
  path: string,
  code: ErrorCode,
  { foreign = false, separator = ',' }: CsvReading = {},
): AsyncGenerator<CsvRow, void, void> {
  const refuse = (reason: string) =>
    new DinoSegError(code, `${path}${reason}. Expected CSV (RFC 4180) in UTF-8.`);
  const fail = (line: number, reason: string) => refuse(`, line ${line}: ${reason}`);
  let parser = foreign ? undefined : new CsvParser(fail, { separator, skipsSpaces: false });
  let width: number | undefined;
  function* checked(rows: Iterable<CsvRow>): Generator<CsvRow> {
    for (const row of rows) {
      if (foreign && width !== undefined && row.cells.every((cell) => cell === '')) continue;
      width ??= row.cells.length;
      if (row.cells.length !== width)
        throw fail(row.line, `${row.cells.length} cells, but the header has ${width}`);
      yield row;
    }
  }
  let head = '';
  for await (const text of readText(path, refuse)) {
    head += text;
    parser ??= headerEnds(head) ? new CsvParser(fail, dialectOf(headerOf(head))) : undefined;
    if (!parser) continue;
    yield* checked(parser.push(head));
    head = '';
  }
  parser ??= new CsvParser(fail, dialectOf(headerOf(head)));
  yield* checked(parser.push(head));
  yield* checked(parser.end());
}

/** The first line with text in it, without its end; line ends in quotes do not count. */
const headerPattern = /^[\r\n]*((?:"(?:[^"]|"")*"|[^"\r\n])*)/;
const headerOf = (text: string): string => headerPattern.exec(text)![1]!;
const headerEnds = (text: string): boolean => headerPattern.exec(text)![0].length < text.length;

async function* readText(
  path: string,
  refuse: (reason: string) => DinoSegError,
): AsyncGenerator<string, void, void> {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes = chunk as Uint8Array;
      decoder ??= new TextDecoder(encodingOf(bytes), { fatal: true });
      yield decoder.decode(bytes, { stream: true });
    }
    if (decoder) yield decoder.decode();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw readError(path, cause);
    throw refuse(
      `, line ${await undecodableLine(path)}: bytes that are not UTF-8. ` +
        `If a spreadsheet wrote the file, convert it: iconv -f WINDOWS-1252 -t UTF-8 ${path} > utf8.csv`,
    );
  }
}

function encodingOf([first, second]: Uint8Array): string {
  return first === 0xff && second === 0xfe
    ? 'utf-16le'
    : first === 0xfe && second === 0xff
      ? 'utf-16be'
      : 'utf-8';
}

async function undecodableLine(path: string): Promise<number> {
  let number = 1;
  for await (const line of byteLines(path)) {
    if (!isUtf8(line)) break;
    number++;
  }
  return number;
}
