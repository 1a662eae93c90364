/** What a table is: columns, rows, and the format of its file. */
import { DinoSegError } from '../errors.js';
import type { Cell } from './csv.js';

/** A column of a table. `text` takes strings; `optional-text`, `number` and `integer` (bigint) may be null; the others are numbers. */
export interface TableColumn {
  readonly name: string;
  readonly kind: 'text' | 'optional-text' | 'number' | 'integer' | 'percent' | 'count';
}

/** A row, a cell for each column. */
export type TableRow = readonly Cell[];

export type TableFormat = 'csv' | 'parquet' | 'geojson';

/** The format of a table, from its file name. @throws DinoSegError INVALID_ARGUMENT */
export function formatOf(path: string): TableFormat {
  const [, format] = /\.(csv|parquet|geojson)$/.exec(path) ?? [];
  if (format) return format as TableFormat;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `A table is a .csv, .parquet or .geojson file; "${path}" is none of them.`,
  );
}

/** Where a row says that its image was taken. */
export interface GeometryPlaces {
  /** Name of the column that Parquet gets for it. */
  name: string;
  /** Place of the latitude in a row. */
  latitude: number;
  /** Place of the longitude in a row. */
  longitude: number;
}
