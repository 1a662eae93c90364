/** Files that this package writes where photographs may lie. */

/** The folder of a table `features.csv`: `features_csv_files`. */
export function sideFolderOf(table: string): string {
  return `${table.replace(/\.(csv|parquet|geojson)$/, '_$1')}_files`;
}

const inSideFolder = /(^|\/)[^/]*_(csv|parquet|geojson)_files\//;

/** Whether a path, with `/` between folders, is of a file beside a table. */
export function isSideFile(path: string): boolean {
  return inSideFolder.test(path);
}

const predictedFile =
  /_segmentation\/((original|segmentation_colored|segmentation_raw|comparison)\.png|segmentation_raw\.npy|class_statistics\.txt)$/;

/** Whether a path, with `/` between folders, is of a file beside a table or one that `predict` wrote. */
export function isOwnOutput(path: string): boolean {
  return isSideFile(path) || predictedFile.test(path);
}
