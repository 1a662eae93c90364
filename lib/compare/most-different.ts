/** The images that differ most, kept while all of them pass. */

/** An image of which the class maps were kept. */
export interface DifferentImage {
  /** In the source. */
  place: number;
  /** Share of pixels with the same class. */
  same: number;
  /** Class maps by A and B, row by row, of the compared size. */
  maps: readonly [a: Uint8Array, b: Uint8Array];
}

/** Images that are shown. */
const shown = 8;

/** Keeps a few images: those with the smallest share of pixels with the same class. */
export class MostDifferent {
  readonly #images: DifferentImage[] = [];

  /** Takes an image, unless there are enough that differ more. Equal maps are not kept. */
  add(image: DifferentImage): void {
    if (image.same === 1) return;
    this.#images.push(image);
    this.#images.sort((one, other) => one.same - other.same || one.place - other.place);
    this.#images.splice(shown);
  }

  /** The most different first. */
  get images(): readonly DifferentImage[] {
    return this.#images;
  }
}
