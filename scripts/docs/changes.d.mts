export const replacements: { languages: string[]; from: RegExp; to: string }[];
export const addedFlags: { command: string; beside?: string; flag: string; value: string }[];
export const given: Record<string, string[]>;
export function changed(block: { language: string; text: string }): string;
