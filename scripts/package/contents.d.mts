/** Faults of a package's files, a sentence each; none where it is as it should be. */
export function faultsOfContents(files: readonly string[], folder?: string): string[];
/** Faults of a package's dist/, a sentence each. */
export function faultsOfDist(folder: string): string[];
