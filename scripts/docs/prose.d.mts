export function proseOf(text: string): string;
export function inlineCode(prose: string): string[];
export function linksOf(prose: string): string[];
export function headingIds(text: string): Set<string>;
