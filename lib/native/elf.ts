/** Detects truncated shared libraries by their header. */
import { closeSync, openSync, readSync, fstatSync } from 'node:fs';

const headerSize = 64;

/**
 * Whether a 64-bit ELF file is shorter than its header says. The system's loader does not check this: opening a
 * truncated library ends the process with SIGBUS. Returns false for every other kind of file, which the loader
 * refuses itself.
 */
export function isCutShort(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    const header = Buffer.alloc(headerSize);
    const length = readSync(descriptor, header, 0, headerSize, 0);
    if (length < 6 || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1)
      return false;
    if (length < headerSize) return true;
    // The table of sections stands at the end: e_shoff + e_shnum × e_shentsize.
    const end = header.readBigUInt64LE(40) + BigInt(header.readUInt16LE(60) * header.readUInt16LE(58));
    return BigInt(fstatSync(descriptor).size) < end;
  } finally {
    closeSync(descriptor);
  }
}
