/** The image of a multipart request. */
import sharp from 'sharp';
import { httpError } from './http-error.mjs';

/** First bytes of the formats that are taken. Others (SVG, PDF, …) never reach a decoder. */
const formats = {
  JPEG: (bytes) => bytes.readUIntBE(0, 3) === 0xffd8ff,
  PNG: (bytes) => bytes.toString('latin1', 0, 8) === '\x89PNG\r\n\x1a\n',
  WebP: (bytes) => bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP',
};

/** The bytes that all uploads hold, with a bound. */
export class UploadMemory {
  bytes = 0;
  #most;

  constructor(most) {
    this.#most = most;
  }

  /** @throws 503 if it is too much; else `give` back what was taken. */
  take(bytes) {
    if (this.bytes + bytes > this.#most)
      throw httpError(503, 'BUSY', `The server holds ${this.#most} bytes of uploads; try again in a second.`);
    this.bytes += bytes;
  }

  give(bytes) {
    this.bytes -= bytes;
  }
}

/** Refuses what the headers already show to be wrong, before a byte of the upload is read. */
export function checkHeaders({ headers }, { maxBytes }) {
  if (!/^multipart\/form-data\b/i.test(headers['content-type'] ?? ''))
    throw httpError(
      415,
      'CONTENT_TYPE',
      `Expected multipart/form-data with a file, got ${headers['content-type'] ?? 'no content-type'}.`,
    );
  // The form around the file takes some bytes.
  if (Number(headers['content-length']) > maxBytes + 10_000) throw tooLarge(maxBytes);
}

/**
 * The bytes of the one file.
 *
 * @param {UploadMemory} memory counts what arrives; the caller gives back the bytes of the result.
 */
export async function readUpload(request, { maxBytes }, memory) {
  const chunks = [];
  let size = 0;
  try {
    const part = await request.file();
    for await (const chunk of part?.file ?? []) {
      memory.take(chunk.length);
      size += chunk.length;
      chunks.push(chunk);
      if (part.file.truncated) throw tooLarge(maxBytes);
    }
    if (size === 0)
      throw httpError(400, 'NO_FILE', 'Expected a file in the form, but it has none, or the file is empty.');
    return Buffer.concat(chunks, size);
  } catch (error) {
    memory.give(size);
    // What is still to come is thrown away: a client that is writing would not see an answer on a closed connection.
    request.raw.unpipe();
    request.raw.resume();
    if (error.code === 'FST_REQ_FILE_TOO_LARGE') throw tooLarge(maxBytes);
    if (error.statusCode) throw error;
    throw httpError(400, 'BAD_UPLOAD', `The upload cannot be read: ${error.message}.`);
  }
}

/** An image to decode later, shortly before the network needs its pixels. The limit matters: a few bytes can hold very many. */
export function openImage(bytes, { maxPixels }) {
  const isKnown = bytes.length >= 12 && Object.values(formats).some((matches) => matches(bytes));
  if (!isKnown)
    throw httpError(
      415,
      'IMAGE_TYPE',
      `Expected an image in ${Object.keys(formats).join(', ')}; the file is none of them.`,
    );
  return sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels });
}

function tooLarge(maxBytes) {
  return httpError(413, 'TOO_LARGE', `An upload may have ${maxBytes} bytes; this one has more.`);
}
