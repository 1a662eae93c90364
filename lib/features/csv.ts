/** CSV as defined by RFC 4180, and what spreadsheets make of it. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { DinoSegError, type ErrorCode } from '../errors.js';
import { byteLines, readError, requireRegular } from '../files.js';
import { systemPath } from '../system-path.js';

/** A cell of a table; null for none. */
export type Cell = string | number | bigint | null;

/**
 * What tables do with texts that a spreadsheet would compute, such as `=1+1`. `text`: they begin with `'`, so that they are shown as
 * they are. `keep`: they are written as they are.
 */
export const formulaStyles = ['text', 'keep'] as const;
/** One of {@link formulaStyles}. */
export type FormulaStyle = (typeof formulaStyles)[number];

const formulaStart = /^'*[=+\-@\t\r\n]/;
const plainNumber = /^'*[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether a spreadsheet would take a text for a formula, or did so before it was marked with `'` so often. */
function isFormula(text: string): boolean {
  return formulaStart.test(text) && !plainNumber.test(text);
}

/** The text of a cell that {@link csvLine} wrote. */
export function textOfCell(cell: string): string {
  return cell.startsWith("'") && isFormula(cell) ? cell.slice(1) : cell;
}

/**
 * A line with its end. Numbers as the shortest text that reads back to them; nothing for null.
 *
 * @param formulas see {@link formulaStyles}; {@link textOfCell} gives texts back.
 */
export function csvLine(cells: readonly Cell[], formulas: FormulaStyle = 'text'): string {
  return delimitedLine(cells, ',', formulas);
}

/** {@link csvLine} with tabs in place of commas. */
export function tsvLine(cells: readonly Cell[]): string {
  return delimitedLine(cells, '\t', 'text');
}

function delimitedLine(cells: readonly Cell[], separator: string, formulas: FormulaStyle): string {
  return `${cells.map((cell) => csvCell(cell, separator, formulas)).join(separator)}\r\n`;
}

function csvCell(cell: Cell, separator: string, formulas: FormulaStyle): string {
  const text = cell === null ? '' : String(cell);
  const quoted = (content: string) => `"${content.replaceAll('"', '""')}"`;
  if (formulas === 'text' && typeof cell === 'string' && isFormula(text)) return quoted(`'${text}`);
  return text.includes(separator) || /["\r\n]/.test(text) ? quoted(text) : text;
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

/** Characters of a cell, and of all cells of a row: a quote that is never closed makes the rest of a file one cell. */
const [mostOfCell, mostOfRow] = [1 << 20, 1 << 24];

/** Takes text, gives rows. Cells are slices of the text: adding characters one by one would take 32 bytes for each. */
class CsvParser {
  #cells: string[] = [];
  /** Of the current cell. */
  #parts: string[] = [];
  #cellLength = 0;
  #rowLength = 0;
  #state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  #afterReturn = false;
  #line = 1;
  #rowLine = 1;
  /** Where the last quoted cell begins. */
  #quoteLine = 1;
  readonly #endOfPlain: RegExp;

  constructor(
    private readonly fail: (line: number, reason: string) => DinoSegError,
    private readonly dialect: Dialect,
  ) {
    this.#endOfPlain = new RegExp(`[\\r\\n"${dialect.separator}]`, 'g');
  }

  *push(text: string): Generator<CsvRow> {
    for (let at = 0; at < text.length;) {
      if (this.#state === 'quoted') {
        const quote = text.indexOf('"', at);
        const end = quote < 0 ? text.length : quote;
        this.#take(text.slice(at, end));
        if (quote >= 0) this.#state = 'closed';
        at = end + 1;
        continue;
      }
      const c = text[at]!;
      const isSecond = c === '\n' && this.#afterReturn;
      this.#afterReturn = c === '\r';
      if (c === '\n') this.#line++;
      if (isSecond) this.#rowLine = this.#line;
      else if (c === '\n' || c === '\r') yield* this.#endRow();
      else if (c === this.dialect.separator) this.#endCell();
      else if (c === '"') this.#quote();
      else if (c !== ' ' || !this.dialect.skipsSpaces || this.#state !== 'start') {
        if (this.#state === 'closed')
          throw this.fail(
            this.#line,
            `"${String.fromCodePoint(text.codePointAt(at)!)}" follows the quote that ends a cell`,
          );
        this.#state = 'plain';
        this.#endOfPlain.lastIndex = at;
        const end = this.#endOfPlain.exec(text)?.index ?? text.length;
        this.#take(text.slice(at, end));
        at = end - 1;
      }
      at++;
    }
  }

  #quote(): void {
    if (this.#state === 'plain')
      throw this.fail(this.#line, 'an unquoted cell contains a quote; quote the cell and write ""');
    if (this.#state === 'closed') this.#take('"');
    else this.#quoteLine = this.#line;
    this.#state = 'quoted';
  }

  /** Text of the current cell. */
  #take(part: string): void {
    this.#cellLength += part.length;
    this.#rowLength += part.length;
    if (this.#cellLength > mostOfCell)
      throw this.#state === 'quoted'
        ? this.fail(
            this.#quoteLine,
            `a quoted cell begins that is longer than ${mostOfCell} characters; perhaps the quote at its end is missing`,
          )
        : this.fail(this.#line, `a cell is longer than ${mostOfCell} characters`);
    if (this.#state === 'quoted')
      for (let end = part.indexOf('\n'); end >= 0; end = part.indexOf('\n', end + 1)) this.#line++;
    this.#parts.push(part);
  }

  #endCell(): void {
    if (++this.#rowLength > mostOfRow)
      throw this.fail(this.#rowLine, `a row is longer than ${mostOfRow} characters`);
    this.#cells.push(this.#parts.length === 1 ? this.#parts[0]! : this.#parts.join(''));
    this.#parts = [];
    this.#cellLength = 0;
    this.#state = 'start';
  }

  *#endRow(): Generator<CsvRow> {
    const isEmpty = this.#cells.length === 0 && this.#state === 'start';
    if (!isEmpty) {
      this.#endCell();
      yield { cells: this.#cells, line: this.#rowLine };
    }
    this.#cells = [];
    this.#rowLength = 0;
    this.#rowLine = this.#line;
  }

  *end(): Generator<CsvRow> {
    if (this.#state === 'quoted')
      throw this.fail(this.#quoteLine, 'a quoted cell that begins in this line is not closed');
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
    if (!parser && head.length > mostOfCell && !headerEnds(head))
      throw fail(
        1,
        `the header is longer than ${mostOfCell} characters; perhaps the quote at the end of a name is missing`,
      );
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
  await requireRegular(path);
  try {
    for await (const chunk of createReadStream(systemPath(path))) {
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
