/** Reads tables written by this package. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { DinoSegError } from '../errors.js';
import { readError } from '../files.js';
import { carriedValue } from './carried-kinds.js';
import { readCsv, textOfCell, type Cell, type FormulaStyle } from './csv.js';
import { descriptionOf } from './table-files.js';
import { formatOf, type TableColumn, type TableRow } from './table.js';

/**
 * Reads the rows of a table in CSV or Parquet. A geometry is left out: it follows from other columns.
 *
 * @param formulas how the table was written, if it is CSV.
 * @throws DinoSegError TABLE if it has other columns or a cell is not a number; FILE_NOT_FOUND, IO.
 */
export function readTable(
  path: string,
  columns: readonly TableColumn[],
  formulas: FormulaStyle = 'text',
): AsyncGenerator<TableRow, void, void> {
  return formatOf(path) === 'csv' ? readCsvTable(path, columns, formulas) : readParquetTable(path, columns);
}

function checkColumns(path: string, found: readonly string[], columns: readonly TableColumn[]): void {
  if (found.length === columns.length && columns.every(({ name }, i) => name === found[i])) return;
  throw new DinoSegError(
    'TABLE',
    `${path} has other columns than ${descriptionOf(path)} states: ${found.length}, beginning with ${found.slice(0, 3).join(', ')}, ` +
      `instead of ${columns.length}. Extract it again.`,
  );
}

async function* readCsvTable(
  path: string,
  columns: readonly TableColumn[],
  formulas: FormulaStyle,
): AsyncGenerator<TableRow, void, void> {
  let header = true;
  const textOf = formulas === 'text' ? textOfCell : (cell: string) => cell;
  for await (const { cells: found, line } of readCsv(path, 'TABLE')) {
    const cells = found.map(textOf);
    if (header) checkColumns(path, cells, columns);
    else
      yield cells.map((cell, i) => {
        const value = valueOf(columns[i]!, cell);
        if (value !== undefined) return value;
        throw new DinoSegError(
          'TABLE',
          `${path}, line ${line}: "${cell}" is not a number. Extract it again.`,
        );
      });
    header = false;
  }
}

/** The value of a cell in CSV; undefined if it should be a number and is none. */
function valueOf({ kind }: TableColumn, cell: string): Cell | undefined {
  if (kind === 'text') return cell;
  if (kind === 'optional-text') return carriedValue('text', cell);
  const isEmpty = cell.trim() === '';
  if (isEmpty && (kind === 'number' || kind === 'integer')) return null;
  if (kind === 'integer') return /^-?\d+$/.test(cell) ? BigInt(cell) : undefined;
  const value = Number(cell);
  return !isEmpty && Number.isFinite(value) ? value : undefined;
}

/** Rows in memory at a time: those of a row group as they are written. */
const blockRows = 10_000;

async function* readParquetTable(
  path: string,
  columns: readonly TableColumn[],
): AsyncGenerator<TableRow, void, void> {
  let file;
  try {
    file = await asyncBufferFromFile(path);
  } catch (cause) {
    throw readError(path, cause);
  }
  try {
    const metadata = await parquetMetadataAsync(file);
    const names = columns.map(({ name }) => name);
    const found = metadata.schema.slice(1).map(({ name }) => name);
    const hasGeometry = metadata.key_value_metadata?.some(({ key }) => key === 'geo') ?? false;
    checkColumns(path, hasGeometry ? found.slice(0, -1) : found, columns);
    const rows = Number(metadata.num_rows);
    for (let rowStart = 0; rowStart < rows; rowStart += blockRows) {
      const rowEnd = Math.min(rows, rowStart + blockRows);
      for (const row of await parquetReadObjects({ file, metadata, columns: names, rowStart, rowEnd }))
        yield names.map((name) => (row[name] ?? null) as Cell);
    }
  } catch (cause) {
    if (cause instanceof DinoSegError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DinoSegError('TABLE', `${path} cannot be read as Parquet: ${reason}. Extract it again.`, {
      cause,
    });
  }
}
