/** A zip writer small enough to make archives that are wrong in one chosen place, and the entries of archives. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import yauzl from 'yauzl';
import { crc32 } from '../../lib/native/libtorch/install/crc32.js';

export interface ZipEntry {
  name: string;
  data: Uint8Array | string;
  /** Default: deflated. */
  stored?: boolean;
  /** Unix mode, e.g. 0o120777 for a symbolic link. Default: a plain file. */
  mode?: number;
  /** What the headers state in place of the truth. */
  statedSize?: bigint;
  statedCrc32?: number;
}

const u16 = (value: number) => Buffer.from([value & 0xff, value >>> 8]);
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);

export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, data, stored, mode = 0o100644, statedSize, statedCrc32 } of entries) {
    const bytes = Buffer.from(data as string);
    const packed = stored ? bytes : deflateRawSync(bytes);
    // A stated size goes into a ZIP64 field, so that it can be as large as one likes.
    const size = statedSize === undefined ? bytes.length : 0xffffffff;
    const extra =
      statedSize === undefined
        ? Buffer.alloc(0)
        : Buffer.concat([u16(1), u16(8), Buffer.from(BigUint64Array.of(statedSize).buffer)]);
    const common = Buffer.concat([
      ...[u16(20), u16(0x800), u16(stored ? 0 : 8), u32(0)],
      ...[u32(statedCrc32 ?? crc32(bytes)), u32(packed.length), u32(size)],
      ...[u16(Buffer.byteLength(name)), u16(extra.length)],
    ]);
    const local = Buffer.concat([u32(0x04034b50), common, Buffer.from(name), extra, packed]);
    const end = [u16(0), u16(0), u16(0), u32((mode << 16) >>> 0), u32(offset), Buffer.from(name), extra];
    central.push(Buffer.concat([u32(0x02014b50), u16((3 << 8) | 20), common, ...end]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const counts = [u16(0), u16(0), u16(entries.length), u16(entries.length)];
  const tail = [u32(0x06054b50), ...counts, u32(directory.length), u32(offset), u16(0)];
  return Buffer.concat([...locals, directory, ...tail]);
}

/** The entries of a zip archive. */
export async function entriesOf(path: string): Promise<ZipEntry[]> {
  const zip = await promisify<string, { lazyEntries: boolean; autoClose: boolean }, yauzl.ZipFile>(
    yauzl.open,
  )(path, { lazyEntries: true, autoClose: false });
  const entries: ZipEntry[] = [];
  zip.on('entry', (entry: yauzl.Entry) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error) return zip.emit('error', error);
      void buffer(stream).then((data) => {
        entries.push({ name: entry.fileName, data, stored: true });
        zip.readEntry();
      });
    });
  });
  zip.readEntry();
  await once(zip, 'end');
  zip.close();
  return entries;
}

/** A wheel: the files, METADATA and WHEEL, and a RECORD of them; `change` may spoil the entries. */
export function wheelOf(
  name: string,
  version: string,
  files: Record<string, Uint8Array | string>,
  { requires = [], provides = [], change = (entries) => entries }: WheelOptions = {},
): Buffer {
  const info = `${name.replaceAll('-', '_')}-${version}.dist-info`;
  const metadata = [
    'Metadata-Version: 2.1',
    `Name: ${name}`,
    `Version: ${version}`,
    ...requires.map((requirement) => `Requires-Dist: ${requirement}`),
    ...provides.map((extra) => `Provides-Extra: ${extra}`),
    '',
  ].join('\n');
  const entries: ZipEntry[] = Object.entries({
    ...files,
    [`${info}/METADATA`]: metadata,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  }).map(([name, data]) => ({ name, data }));
  const record = entries.map(({ name, data }) => {
    const sha256 = createHash('sha256').update(data).digest('base64url');
    return `${name},sha256=${sha256},${Buffer.byteLength(data)}\n`;
  });
  return zipOf(
    change([...entries, { name: `${info}/RECORD`, data: `${record.join('')}${info}/RECORD,,\n` }]),
  );
}

export interface WheelOptions {
  requires?: string[];
  provides?: string[];
  change?: (entries: ZipEntry[]) => ZipEntry[];
}
