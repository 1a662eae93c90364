export function pagesOf(root: string): string[];
