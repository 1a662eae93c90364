/** Outputs of the first network until the second one runs: in a file, since both networks together may not fit a device. */
import { mkdtemp, open, rm, statfs, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DinoSegError } from '../errors.js';
import { readError, writeError } from '../files.js';
import { Tensor } from '../model/tensor.js';
import { formatBytes } from '../text.js';
import type { HeadOutputs } from './head-outputs.js';

/** Where the parts of each record lie: all images have the same size. */
interface Layout {
  logits: readonly number[];
  masks: readonly number[] | undefined;
  map: readonly number[];
  recordBytes: number;
}

const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/**
 * Outputs by the places of images, in a file of the system's temporary folder (TMPDIR) that has no name any more: it takes no
 * space as soon as it is closed or the process ends, however that is. Values are kept exactly.
 */
export class KeptOutputs implements AsyncDisposable {
  #layout: Layout | undefined;

  private constructor(private readonly file: FileHandle) {}

  /** @throws DinoSegError DISK_FULL, IO */
  static async create(): Promise<KeptOutputs> {
    const where = join(tmpdir(), 'dinov3-seg-compare-');
    try {
      const folder = await mkdtemp(where);
      try {
        return new KeptOutputs(await open(join(folder, 'outputs'), 'wx+', 0o600));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    } catch (cause) {
      throw writeError(where, cause);
    }
  }

  /** @param images how many there may be. @throws DinoSegError DISK_FULL where not all of them fit, IO */
  async put(place: number, { logits, masks, map }: HeadOutputs, images: number): Promise<void> {
    const parts = [await logits.floats(), ...(masks ? [await masks.floats()] : []), await map.data()];
    const recordBytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (!this.#layout) await checkSpace(images, images * recordBytes);
    this.#layout ??= { logits: logits.shape, masks: masks?.shape, map: map.shape, recordBytes };
    let position = place * recordBytes;
    for (const { buffer, byteOffset, byteLength } of parts) {
      await this.#write(new Uint8Array(buffer, byteOffset, byteLength), position);
      position += byteLength;
    }
  }

  /** Outputs that were put, on the CPU. @throws DinoSegError IO */
  async read(place: number): Promise<HeadOutputs> {
    const { recordBytes, ...shapes } = this.#layout!;
    const bytes = new Uint8Array(recordBytes);
    await this.#read(bytes, place * recordBytes);
    let offset = 0;
    const floats = (shape: readonly number[]) => {
      const values = new Float32Array(bytes.buffer, offset, elementsOf(shape));
      offset += values.byteLength;
      return Tensor.from(values, shape);
    };
    const logits = floats(shapes.logits);
    const masks = shapes.masks && floats(shapes.masks);
    const map = Tensor.from(bytes.subarray(offset), shapes.map);
    const dispose = () => [logits, masks, map].forEach((tensor) => tensor?.dispose());
    return { logits, masks, map, [Symbol.dispose]: dispose };
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;)
        done += (await this.file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    } catch (cause) {
      throw writeError(`A file in ${tmpdir()}`, cause);
    }
  }

  async #read(bytes: Uint8Array, position: number): Promise<void> {
    const { bytesRead } = await this.file.read(bytes, 0, bytes.length, position).catch((cause: unknown) => {
      throw readError(`A file in ${tmpdir()}`, cause);
    });
    if (bytesRead !== bytes.length)
      throw new DinoSegError('INTERNAL', `a record of ${bytes.length} bytes has ${bytesRead}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}

async function checkSpace(images: number, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bytes <= bavail * bsize) return;
  throw new DinoSegError(
    'DISK_FULL',
    `The outputs of A for ${images} images need ${formatBytes(bytes)} in ${tmpdir()} until B has run; ` +
      `${formatBytes(bavail * bsize)} is free. Set TMPDIR to a folder with more space, or compare fewer images.`,
  );
}
