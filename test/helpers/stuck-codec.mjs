/**
 * Preloaded into a command that a test ends while the codec decodes: from the image after STUCK_AFTER on, decoding opens the pipe STUCK_AT,
 * which nobody writes to. So a thread of Node's pool is in a call that cannot be stopped and never ends, as one of the codec that decodes
 * a huge image. The first says so on file descriptor 3.
 */
import { writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import sharp from 'sharp';

const { STUCK_AT: pipe, STUCK_AFTER: after } = process.env;
const { toBuffer } = sharp.prototype;
let decoded = 0;
sharp.prototype.toBuffer = function (...args) {
  const { formatOut, input } = this.options;
  // Of a file: others are pictures that the package itself makes.
  const isDecoding = formatOut === 'raw' && input.buffer !== undefined && input.rawWidth === undefined;
  if (!isDecoding || ++decoded <= Number(after)) return toBuffer.apply(this, args);
  if (decoded === Number(after) + 1) writeSync(3, '.');
  return open(pipe, 'r');
};
