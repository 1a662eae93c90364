/**
 * Names of files that are not UTF-8, which Linux allows. A string holds such a name with each byte from 0x80 on as U+DC00 plus the
 * byte (a lone surrogate, as Python's `surrogateescape` does), so that every path is a string and still leads to its file.
 */
import { isUtf8 } from 'node:buffer';

const escaped = /[\udc80-\udcff]/u;
const everyEscaped = /[\udc80-\udcff]/gu;

/** The string of a name or path that the system gave as bytes. Under Yarn's Plug'n'Play, it gives a string whatever is asked for. */
export function pathOfBytes(bytes: Buffer | string): string {
  if (typeof bytes === 'string') return bytes;
  if (isUtf8(bytes)) return bytes.toString('utf8');
  return bytes
    .toString('latin1')
    .replaceAll(/[\x80-\xff]/g, (byte) => String.fromCharCode(0xdc00 + byte.charCodeAt(0)));
}

/** What Node.js takes for a path of {@link pathOfBytes}: the string itself unless its bytes are not UTF-8. */
export function systemPath(path: string): string | Buffer {
  if (!escaped.test(path)) return path;
  const parts: Buffer[] = [];
  let done = 0;
  for (const { index } of path.matchAll(everyEscaped)) {
    parts.push(Buffer.from(path.slice(done, index)), Buffer.from([path.charCodeAt(index) - 0xdc00]));
    done = index + 1;
  }
  return Buffer.concat([...parts, Buffer.from(path.slice(done))]);
}

/** The path for people, and for files in UTF-8: bytes that are not UTF-8 as `\xE9`. */
export function shownPath(path: string): string {
  const hex = (unit: string) => `\\x${(unit.charCodeAt(0) - 0xdc00).toString(16).toUpperCase()}`;
  return path.replaceAll(everyEscaped, hex);
}
