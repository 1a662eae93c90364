/** What an archive or a folder holds, file by file, whatever it came from. */
import type { Readable } from 'node:stream';

export interface SourceFile {
  sizeBytes: number;
  /** SHA-256 in base64url, where the source states one (a wheel's RECORD). */
  sha256?: string;
  /** CRC-32, where the source states one (a zip). */
  crc32?: number;
  open(): Promise<Readable>;
}

export interface Contents {
  /** What people call it: a path or URL. */
  origin: string;
  /** By path with `/`, such as `torch/lib/libtorch.so`. */
  files: Map<string, SourceFile>;
  /** Whether a RECORD came with it, so that every file has to have its `sha256`. */
  recorded: boolean;
  close(): void;
}

const mostTextBytes = 64 * 1024 ** 2;

/** A file's text, `''` where there is no such file. Meant for small ones: reads up to 64 MiB. */
export async function readText(contents: Contents, name: string): Promise<string> {
  const file = contents.files.get(name);
  if (file === undefined || file.sizeBytes > mostTextBytes) return '';
  const parts: Buffer[] = [];
  for await (const part of await file.open()) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
