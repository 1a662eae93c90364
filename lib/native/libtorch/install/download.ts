/** Archives from the web. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DinoSegError } from '../../../errors.js';
import { writeError } from '../../../files.js';
import { requireSpace } from './disk.js';

const mostRedirects = 5;

export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  /** Whether a checksum is compared afterwards: only then, http is good enough. */
  isVerified?: boolean;
  /** `totalBytes` is undefined where the server does not say. */
  onBytes?: (doneBytes: number, totalBytes: number | undefined) => void;
}

/**
 * Downloads an http(s) URL to a file.
 *
 * @returns the SHA-256 of the downloaded file, hexadecimal.
 * @throws DinoSegError DOWNLOAD for a failed or interrupted connection, a response other than 200, more than five
 *   redirects, one from https to http, or without a checksum one to http of another machine; DISK_FULL, IO; the signal's reason
 */
export async function download(url: URL, path: string, options: DownloadOptions = {}): Promise<string> {
  const { signal, onBytes, isVerified = false } = options;
  const response = await follow(url, isVerified, signal);
  const length = response.headers.get('content-length');
  const totalBytes = length === null ? undefined : Number(length);
  try {
    if (totalBytes !== undefined) await requireSpace(path, totalBytes);
    return await receive(response, path, { signal, onBytes: (bytes) => onBytes?.(bytes, totalBytes) });
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof DinoSegError) throw cause;
    if (isFileError(cause)) throw writeError(path, cause);
    throw downloadError(url, `the connection was interrupted (${reasonOf(cause)}). Try again.`, cause);
  } finally {
    await response.body?.cancel().catch(() => {});
  }
}

/** Whether nobody on the way can change what is sent: https, or this machine itself. */
export function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}

async function follow(start: URL, isVerified: boolean, signal: AbortSignal | undefined): Promise<Response> {
  let url = start;
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await request(url, signal);
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) {
      if (response.status === 200 && response.body !== null) return response;
      await response.body?.cancel();
      throw downloadError(
        url,
        `the server answered ${response.status} ${response.statusText}`.trimEnd() + '.',
      );
    }
    await response.body?.cancel();
    const next = new URL(location, url);
    if (next.protocol !== 'https:' && (url.protocol === 'https:' || !(isVerified || isSecure(next))))
      throw downloadError(
        url,
        `it redirects from ${url.protocol.slice(0, -1)} to ${next.protocol.slice(0, -1)}, which is not followed.`,
      );
    url = next;
  }
  throw downloadError(start, `it redirects more than ${mostRedirects} times.`);
}

async function request(url: URL, signal: AbortSignal | undefined): Promise<Response> {
  try {
    const headers = { 'accept-encoding': 'identity' };
    return await fetch(url, { redirect: 'manual', headers, ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    throw downloadError(url, `${reasonOf(cause)}. Check the address and the network.`, cause);
  }
}

async function receive(
  response: Response,
  path: string,
  { signal, onBytes }: { signal: AbortSignal | undefined; onBytes: (bytes: number) => void },
): Promise<string> {
  const hash = createHash('sha256');
  let doneBytes = 0;
  await pipeline(
    Readable.fromWeb(response.body as import('node:stream/web').ReadableStream),
    async function* (parts: AsyncIterable<Buffer>) {
      for await (const part of parts) {
        hash.update(part);
        onBytes((doneBytes += part.length));
        yield part;
      }
    },
    createWriteStream(path, { flags: 'wx' }),
    { signal: signal! },
  );
  return hash.digest('hex');
}

function downloadError(url: URL, problem: string, cause?: unknown): DinoSegError {
  // A password in the address stays out of messages.
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  return new DinoSegError('DOWNLOAD', `${shown} cannot be downloaded: ${problem}`, { cause });
}

function isFileError(cause: unknown): boolean {
  return cause instanceof Error && 'syscall' in cause && ['open', 'write'].includes(String(cause.syscall));
}

/** fetch says "fetch failed" and keeps the reason in its cause. */
function reasonOf(cause: unknown): string {
  const inner = (cause as Error).cause;
  return inner instanceof Error
    ? inner.message || String((inner as { code?: string }).code)
    : (cause as Error).message;
}
