/** CSV as defined by RFC 4180. */
import { createReadStream } from 'node:fs';
import { DinoSegError, type ErrorCode } from '../errors.js';
import { readError } from '../files.js';

/** A line with its end. Numbers as the shortest text that reads back to them. */
export function csvLine(cells: readonly (string | number)[]): string {
  return delimitedLine(cells, ',');
}

/** {@link csvLine} with tabs in place of commas. */
export function tsvLine(cells: readonly (string | number)[]): string {
  return delimitedLine(cells, '\t');
}

function delimitedLine(cells: readonly (string | number)[], separator: string): string {
  return `${cells.map((cell) => csvCell(String(cell), separator)).join(separator)}\r\n`;
}

function csvCell(text: string, separator: string): string {
  return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row and the line of the file that it begins on, from 1. */
export interface CsvRow {
  cells: string[];
  line: number;
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
    private readonly separator: string,
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
    } else if (c === this.separator) this.#endCell();
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

/**
 * Reads the rows of a CSV file in UTF-8, the header first. A byte order mark and empty lines are skipped; line ends
 * may be LF.
 *
 * @param code of the error if the file is not CSV or a row has another number of cells than the header.
 * @throws FILE_NOT_FOUND, IO, and `code`
 */
export async function* readCsv(
  path: string,
  code: ErrorCode,
  separator = ',',
): AsyncGenerator<CsvRow, void, void> {
  const refuse = (reason: string) =>
    new DinoSegError(code, `${path}${reason}. Expected CSV (RFC 4180) in UTF-8.`);
  const fail = (line: number, reason: string) => refuse(`, line ${line}: ${reason}`);
  const parser = new CsvParser(fail, separator);
  let width: number | undefined;
  function* checked(rows: Iterable<CsvRow>): Generator<CsvRow> {
    for (const row of rows) {
      width ??= row.cells.length;
      if (row.cells.length !== width)
        throw fail(row.line, `${row.cells.length} cells, but the header has ${width}`);
      yield row;
    }
  }
  const undecodable = () => refuse(' contains bytes that are not UTF-8');
  for await (const text of readText(path, undecodable)) yield* checked(parser.push(text));
  yield* checked(parser.end());
}

async function* readText(path: string, fail: () => DinoSegError): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw fail();
    }
  };
  try {
    for await (const bytes of createReadStream(path)) yield decode(bytes as Uint8Array);
  } catch (cause) {
    throw readError(path, cause);
  }
  yield decode();
}
