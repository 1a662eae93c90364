/** Writes tables as CSV, Parquet or GeoJSON, depending on the file name. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import { atomicWriteWith } from '../files.js';
import { csvLine, type Cell, type FormulaStyle } from './csv.js';
import { Bounds, geoMetadata, pointOf, wellKnownBinary } from './geometry.js';
import { formatOf, type GeometryPlaces, type TableColumn, type TableRow } from './table.js';

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
 * @param formulas what CSV does with texts that a spreadsheet would compute.
 * @param geometry for GeoParquet and GeoJSON; CSV has none.
 * @returns SHA-256 of the file, hexadecimal.
 * @throws DinoSegError DISK_FULL, IO, and what `rows` throws.
 */
export async function writeTable(
  path: string,
  columns: readonly TableColumn[],
  rows: AsyncIterable<TableRow>,
  metadata: Readonly<Record<string, string>>,
  geometry?: GeometryPlaces,
  formulas: FormulaStyle = 'text',
): Promise<string> {
  const format = formatOf(path);
  const hash = createHash('sha256');
  await atomicWriteWith(path, async (file) => {
    const put = hashing(file, hash);
    const sinks = {
      csv: () => csvSink(put, columns, formulas),
      parquet: () => parquetSink(put, columns, metadata, geometry),
      geojson: () => geoJsonSink(put, columns, geometry),
    };
    const sink = sinks[format]();
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
const textBlock = 1 << 18;

function textSink(
  put: Put,
  texts: { begin: string; line: (row: TableRow, isFirst: boolean) => string; end: string },
): RowSink {
  let text = texts.begin;
  let isFirst = true;
  const flush = async () => {
    await put(Buffer.from(text));
    text = '';
  };
  return {
    async add(row) {
      text += texts.line(row, isFirst);
      isFirst = false;
      if (text.length > textBlock) await flush();
    },
    async end() {
      text += texts.end;
      await flush();
    },
  };
}

function csvSink(put: Put, columns: readonly TableColumn[], formulas: FormulaStyle): RowSink {
  const line = (cells: TableRow) => csvLine(cells, formulas);
  return textSink(put, { begin: line(columns.map(({ name }) => name)), line, end: '' });
}

/** GeoJSON (RFC 7946): a feature a line; the columns are its properties. */
function geoJsonSink(
  put: Put,
  columns: readonly TableColumn[],
  geometry: GeometryPlaces | undefined,
): RowSink {
  // Integers of 64 bits have more digits than JSON.stringify would write.
  const json = (cell: Cell) => (typeof cell === 'bigint' ? String(cell) : JSON.stringify(cell));
  const keys = columns.map(({ name }) => JSON.stringify(name));
  const feature = (row: TableRow) => {
    const point = geometry && pointOf(row, geometry);
    const place = point ? `{"type":"Point","coordinates":${JSON.stringify(point)}}` : 'null';
    const properties = row.map((cell, i) => `${keys[i]}:${json(cell)}`).join(',');
    return `{"type":"Feature","geometry":${place},"properties":{${properties}}}`;
  };
  return textSink(put, {
    begin: '{"type":"FeatureCollection","features":[\n',
    line: (row, isFirst) => (isFirst ? '' : ',\n') + feature(row),
    end: '\n]}\n',
  });
}

/** Rows per row group: this many are in memory at a time. */
const groupRows = 10_000;

function parquetSink(
  put: Put,
  columns: readonly TableColumn[],
  metadata: Readonly<Record<string, string>>,
  geometry: GeometryPlaces | undefined,
): RowSink {
  const writer = new ByteWriter();
  const elements = columns.map(schemaOf);
  if (geometry) elements.push({ name: geometry.name, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' });
  const schema = [{ name: 'root', num_children: elements.length }, ...elements];
  const kvMetadata = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  const bounds = new Bounds();
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
    const columnData = columns.map(({ name }, i) => ({ name, data: rows.map((row): unknown => row[i]) }));
    if (geometry) {
      const points = rows.map((row) => pointOf(row, geometry));
      for (const point of points) if (point) bounds.add(point);
      columnData.push({ name: geometry.name, data: points.map((point) => point && wellKnownBinary(point)) });
    }
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
      if (geometry) kvMetadata.push({ key: 'geo', value: geoMetadata(geometry.name, bounds) });
      await parquet.finish();
      await flush();
    },
  };
}

function schemaOf({ name, kind }: TableColumn): SchemaElement {
  const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
  switch (kind) {
    case 'percent':
      return { name, type: 'DOUBLE', repetition_type: 'REQUIRED' };
    case 'count':
      return { name, type: 'INT32', repetition_type: 'REQUIRED' };
    case 'number':
      return { name, type: 'DOUBLE', repetition_type: 'OPTIONAL' };
    case 'integer':
      return { name, type: 'INT64', repetition_type: 'OPTIONAL' };
    case 'text':
      return { name, ...text, repetition_type: 'REQUIRED' };
    case 'optional-text':
      return { name, ...text, repetition_type: 'OPTIONAL' };
  }
}
