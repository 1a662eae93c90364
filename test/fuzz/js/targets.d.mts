import type { RandomStream } from '../../../lib/data/random.js';

export interface Target {
  mutate(bytes: Buffer, stream: RandomStream, how: { others: readonly Buffer[] }): Buffer;
  /** Reads an input; files that it needs go to a folder. */
  read(bytes: Buffer, scratch: string): unknown;
}
export const targets: Readonly<Record<string, () => Promise<Target>>>;
export function cleanFolder(path: string): string;
