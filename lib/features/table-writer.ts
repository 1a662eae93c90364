/** Writes tables as CSV or Parquet, depending on the file name. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import { DinoSegError } from '../errors.js';
import { atomicWriteWith } from '../files.js';
import { csvLine } from './csv.js';

/** A column of a table; `text` takes strings, the others numbers. */
export interface TableColumn {
  readonly name: string;
  readonly kind: 'text' | 'percent' | 'count';
}

/** A row, a cell for each column. */
export type TableRow = readonly (string | number)[];

export type TableFormat = 'csv' | 'parquet';

/** The format of a table, from its file name. @throws DinoSegError INVALID_ARGUMENT */
export function formatOf(path: string): TableFormat {
  const [, format] = /\.(csv|parquet)$/.exec(path) ?? [];
  if (format) return format as TableFormat;
  throw new DinoSegError('INVALID_ARGUMENT', `A table is a .csv or .parquet file; "${path}" is neither.`);
}

/** Receives rows one by one. */
interface RowSink {
  add(row: TableRow): Promise<void>;
  end(): Promise<void>;
}

/** Appends bytes. */
type Put = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes a table atomically: its path holds either the previous file or all rows, even after a crash. The same rows
 * give the same bytes.
 *
 * @param metadata for Parquet's key-value metadata.
 * @returns SHA-256 of the file, hexadecimal.
 * @throws DinoSegError DISK_FULL, IO, and what `rows` throws.
 */
export async function writeTable(
  path: string,
  columns: readonly TableColumn[],
  rows: AsyncIterable<TableRow>,
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  const format = formatOf(path);
  const hash = createHash('sha256');
  await atomicWriteWith(path, async (file) => {
    const put = hashing(file, hash);
    const sink = format === 'csv' ? csvSink(put, columns) : parquetSink(put, columns, metadata);
    for await (const row of rows) await sink.add(row);
    await sink.end();
  });
  return hash.digest('hex');
}

function hashing(file: FileHandle, hash: Hash): Put {
  return async (bytes) => {
    hash.update(bytes);
    await file.writeFile(bytes);
  };
}

/** Number of characters collected for one write. */
const csvBlock = 1 << 18;

function csvSink(put: Put, columns: readonly TableColumn[]): RowSink {
  let text = csvLine(columns.map(({ name }) => name));
  const flush = async () => {
    await put(Buffer.from(text));
    text = '';
  };
  return {
    async add(row) {
      text += csvLine(row);
      if (text.length > csvBlock) await flush();
    },
    end: flush,
  };
}

/** Rows per row group: this many are in memory at a time. */
const groupRows = 10_000;

function parquetSink(
  put: Put,
  columns: readonly TableColumn[],
  metadata: Readonly<Record<string, string>>,
): RowSink {
  const writer = new ByteWriter();
  const schema = [{ name: 'root', num_children: columns.length }, ...columns.map(schemaOf)];
  const kvMetadata = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  const parquet = new ParquetWriter({
    writer,
    schema,
    kvMetadata,
    createdBy: 'dinov3-seg (hyparquet-writer)',
  });
  let rows: TableRow[] = [];
  const flush = async () => {
    await put(writer.getBytes());
    writer.index = 0;
  };
  const endGroup = async () => {
    const columnData = columns.map(({ name }, i) => ({ name, data: rows.map((row) => row[i]!) }));
    await parquet.write({ columnData, rowGroupSize: groupRows });
    rows = [];
    await flush();
  };
  return {
    async add(row) {
      rows.push(row);
      if (rows.length === groupRows) await endGroup();
    },
    async end() {
      if (rows.length > 0) await endGroup();
      await parquet.finish();
      await flush();
    },
  };
}

function schemaOf({ name, kind }: TableColumn): SchemaElement {
  const repetition_type = 'REQUIRED';
  if (kind === 'percent') return { name, type: 'DOUBLE', repetition_type };
  if (kind === 'count') return { name, type: 'INT32', repetition_type };
  return {
    name,
    type: 'BYTE_ARRAY',
    converted_type: 'UTF8',
    logical_type: { type: 'STRING' },
    repetition_type,
  };
}
