/** Reduction of images with an alpha channel, strip by strip. */
import { sharp } from '../codec.js';
import type { StoredPixels } from './bmp.js';
import { bytesOf, opaqueAlpha, type RgbImage } from './image-decoder.js';

type Size = Pick<RgbImage, 'width' | 'height'>;

/**
 * Reduces an image of which only a strip is in memory at a time. Transparent pixels and the others are reduced apart, so that no colour
 * of the ones gets into the others. A pixel of the result is transparent where more than half of its area is, and has the colour of
 * what is transparent there.
 *
 * Strips become means of blocks of whole pixels, at least as many as are wanted and less than twice as many in each direction. The codec
 * resizes these.
 */
export class AlphaReduction {
  /** Memory that the reduction of an image takes, in bytes. */
  static bytesOf(from: Size, to: Size): number {
    const { width, height } = blocksOf(from, to);
    return 2 * 4 * width * height + 2 * 4 * to.width * to.height;
  }

  readonly #blocks: Size;
  /** B×4: means of the pixels of a block that are seen, and their share of it as alpha. */
  readonly #seen: Uint8Array;
  /** B×4: the same of those that are transparent. */
  readonly #hidden: Uint8Array;
  /** Block of a column. */
  readonly #blockOf: Uint32Array;
  /** For each block of a row: sums of red, green and blue of the pixels that are seen and their number, then of the others. */
  readonly #sums: Float64Array;
  #rows = 0;
  #transparentPixels = 0;

  /**
   * @param from size of the image
   * @param to size of the result, no wider or higher
   */
  constructor(
    private readonly from: Size,
    private readonly to: Size,
  ) {
    this.#blocks = blocksOf(from, to);
    const { width, height } = this.#blocks;
    this.#seen = new Uint8Array(4 * width * height);
    this.#hidden = new Uint8Array(4 * width * height);
    this.#blockOf = Uint32Array.from({ length: from.width }, (_, x) => Math.floor((x * width) / from.width));
    this.#sums = new Float64Array(8 * width);
  }

  /** Takes the next rows. @throws Error for rows that are none of the image's */
  add({ data, width, height, channels }: StoredPixels): void {
    if (width !== this.from.width || this.#rows + height > this.from.height)
      throw new Error(`it decoded to another size than ${this.from.width}×${this.from.height}`);
    for (let y = 0; y < height; y++) {
      this.#addRow(data.subarray(y * width * channels, (y + 1) * width * channels), channels);
      const row = this.#blockRow(this.#rows++);
      if (this.#rows === this.from.height || this.#blockRow(this.#rows) !== row) this.#endRow(row);
    }
  }

  #blockRow(y: number): number {
    return Math.floor((y * this.#blocks.height) / this.from.height);
  }

  #addRow(row: Uint8Array, channels: number): void {
    const [sums, blockOf] = [this.#sums, this.#blockOf];
    for (let x = 0, i = 0; x < blockOf.length; x++, i += channels) {
      const isSeen = channels === 3 || row[i + 3]! >= opaqueAlpha;
      const to = 8 * blockOf[x]! + (isSeen ? 0 : 4);
      sums[to]! += row[i]!;
      sums[to + 1]! += row[i + 1]!;
      sums[to + 2]! += row[i + 2]!;
      sums[to + 3]!++;
    }
  }

  #endRow(row: number): void {
    const { width } = this.#blocks;
    for (let block = 0; block < width; block++) {
      const [seen, hidden] = [this.#sums[8 * block + 3]!, this.#sums[8 * block + 7]!];
      this.#transparentPixels += hidden;
      const alpha = Math.round((255 * seen) / (seen + hidden));
      this.#setMean(this.#seen, row * width + block, 8 * block, alpha);
      this.#setMean(this.#hidden, row * width + block, 8 * block + 4, 255 - alpha);
    }
    this.#sums.fill(0);
  }

  #setMean(means: Uint8Array, block: number, from: number, alpha: number): void {
    const count = Math.max(1, this.#sums[from + 3]!);
    for (let c = 0; c < 3; c++) means[4 * block + c] = Math.round(this.#sums[from + c]! / count);
    means[4 * block + 3] = alpha;
  }

  /** How many pixels of the rows so far are transparent. */
  get transparentPixels(): number {
    return this.#transparentPixels;
  }

  /** The reduced image. All rows must have been added. */
  async result(): Promise<RgbImage> {
    const { width, height } = this.to;
    const count = width * height;
    const [data, transparent] = [new Uint8Array(3 * count), new Uint8Array(count)];
    const [seen, hidden] = [await this.#resized(this.#seen), await this.#resized(this.#hidden)];
    let isOpaque = true;
    for (let i = 0; i < count; i++) {
      const isHidden = seen[4 * i + 3]! < opaqueAlpha;
      const source = isHidden ? hidden : seen;
      for (let c = 0; c < 3; c++) data[3 * i + c] = source[4 * i + c]!;
      if (!isHidden) continue;
      transparent[i] = 1;
      isOpaque = false;
    }
    return { data, width, height, ...(!isOpaque && { transparent }) };
  }

  /** The codec weighs colours by alpha. A kernel with negative lobes would exceed alpha's range at edges, and there change colours. */
  async #resized(means: Uint8Array): Promise<Uint8Array> {
    const raw = { ...this.#blocks, channels: 4 } as const;
    const how = { ...this.to, fit: 'fill', kernel: 'linear' } as const;
    return bytesOf(await sharp(means, { raw }).resize(how).raw().toBuffer());
  }
}

/** Number of blocks across and down. */
function blocksOf(from: Size, to: Size): Size {
  const blocks = (length: number, wanted: number) => Math.floor(length / Math.floor(length / wanted));
  return { width: blocks(from.width, to.width), height: blocks(from.height, to.height) };
}
