/** The folder of files beside a table. Its pictures are none of the photographs. */

/** The folder of a table `features.csv`: `features_csv_files`. */
export function sideFolderOf(table: string): string {
  return `${table.replace(/\.(csv|parquet)$/, '_$1')}_files`;
}

const inSideFolder = /(^|\/)[^/]*_(csv|parquet)_files\//;

/** Whether a path, with `/` between folders, is of a file beside a table. */
export function isSideFile(path: string): boolean {
  return inSideFolder.test(path);
}
