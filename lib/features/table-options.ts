/** Options of making a table of features. */
import { callback, flag, needed, number, oneOf, signal, text, type OptionKinds } from '../arguments.js';
import { shardKind, type Shard } from '../shard.js';
import { formulaStyles, type FormulaStyle } from './csv.js';
import { columnOrders, nameStyles, type ColumnOrder, type NameStyle } from './identity.js';

/** Options of `extractTable`. */
export interface ExtractTableOptions {
  /**
   * Path of the table, .csv, .parquet or .geojson (which needs columns `lat` and `lon`). Beside `T.csv` is a folder `T_csv_files` with description.json,
   * failures.tsv, quality.tsv, report.html, overlays/ and work/ (see docs/extraction.md).
   */
  output: string;
  /** Part of the table to make. Default: all of it. */
  shard?: Shard;
  /** Order of the columns. Default `id-first`. */
  columns?: ColumnOrder;
  /** Names of the columns. Default `plain`. */
  names?: NameStyle;
  /**
   * What a CSV table does with ids and texts of the manifest that a spreadsheet would take for formulas, since they begin with `=`, `+`,
   * `-` or `@`: `text` (default) writes a `'` before them, `keep` writes them as they are. Numbers stay numbers. Parquet and GeoJSON have all
   * texts as they are.
   */
  csvFormulas?: FormulaStyle;
  /**
   * Whether a table that was begun with other images, columns of a manifest, or another order or names of columns is extended: rows of
   * images whose file is the same (path, size and time, or content) are kept, the others made, and rows of images that are not listed
   * any more removed. The result has the bytes of a new table. Default false: such a table is refused.
   */
  extend?: boolean;
  /** Number of images decoded at a time. Default: the number of threads of Node's pool (4) or of cores, whichever is smaller. */
  threads?: number;
  /** Whether an image that fails ends the run with its error. Default: it is added to the list of failures. */
  strict?: boolean;
  /** Whether images with a quality flag (`quality.tsv`) get no row. Default false. */
  dropFlagged?: boolean;
  /** COCO JSON file to write the boxes to. */
  coco?: string;
  /** Number of overlay pictures to draw, of images spread evenly over the table. Default 0. */
  visualize?: number;
  /** Cancels. Finished passes stay, and a run with the same settings resumes. */
  signal?: AbortSignal;
  /** Called with the number of images done and the total; images of earlier runs count. */
  onProgress?: (done: number, total: number) => void;
  /** Called with log lines. */
  onLog?: (line: string) => void;
}

/** The kinds of {@link ExtractTableOptions}. */
export const tableOptions: OptionKinds<ExtractTableOptions> = {
  output: needed(text),
  shard: shardKind,
  columns: oneOf(columnOrders),
  names: oneOf(nameStyles),
  csvFormulas: oneOf(formulaStyles),
  extend: flag,
  threads: number,
  strict: flag,
  dropFlagged: flag,
  coco: text,
  visualize: number,
  signal,
  onProgress: callback(),
  onLog: callback(),
};
