/** Faults of a package's files, a sentence each; none where it is as it should be. */
export function faultsOfContents(files: readonly string[], folder?: string): string[];
/** Files of a package's dist/ without a source. */
export function staleFiles(folder: string): string[];
/** Packages that a package's dist/ imports without naming them as dependencies. */
export function undeclaredPackages(folder: string): string[];
