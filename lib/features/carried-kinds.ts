/** What the cells of a manifest's columns are. */
import { DinoSegError } from '../errors.js';
import type { CarriedKind, ImageList } from '../images/images-of-paths.js';
import type { Cell } from './csv.js';

const integerPattern = /^(?:0|-?[1-9]\d*)$/;
const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const [least64, most64] = [-(2n ** 63n), 2n ** 63n - 1n];

function isInteger(text: string): boolean {
  if (!integerPattern.test(text)) return false;
  const value = BigInt(text);
  return value >= least64 && value <= most64;
}

/** Digits without zeros at either end, and the power of ten of the last: the same for all texts of a number. */
function decimalOf(text: string): string {
  const [, sign, whole, part = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = `${whole}${part}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') return '0';
  return `${sign}${short}e${Number(power) - part.length + digits.length - short.length}`;
}

/** Whether a double holds a decimal number: printed with as many digits, it is the same. */
function isDouble(text: string): boolean {
  if (!numberPattern.test(text)) return false;
  const value = Number(text);
  if (!Number.isFinite(value)) return false;
  // The table would have them with other digits at their end.
  if (integerPattern.test(text) && !Number.isSafeInteger(value)) return false;
  const decimal = decimalOf(text);
  const digits = decimal.replace(/e.*$/, '').replace('-', '').length;
  return digits <= 100 && decimalOf(value.toPrecision(digits)) === decimal;
}

/** Finds the kind of a column from its cells, one at a time. Empty cells have none. */
export class KindOfCells {
  #cells = 0;
  #integers = true;
  #numbers = true;

  add(text: string): void {
    if (text === '') return;
    this.#cells++;
    this.#integers &&= isInteger(text);
    this.#numbers &&= isDouble(text);
  }

  /**
   * `integer` or `number` if every cell with a text is one, has no leading zero, and is held exactly: postcodes, long ids and
   * columns without cells are text.
   */
  get kind(): CarriedKind {
    if (this.#cells === 0) return 'text';
    return this.#integers ? 'integer' : this.#numbers ? 'number' : 'text';
  }
}

/** The value of a cell; null if it is empty. */
export function carriedValue(kind: CarriedKind, text: string): Cell {
  if (text === '') return null;
  // A table in CSV cannot tell −0 from 0.
  return kind === 'integer' ? BigInt(text) : kind === 'number' ? Number(text) + 0 : text;
}

/** @throws DinoSegError INVALID_ARGUMENT if a cell of a list is not of its column's kind; lists of manifests always fit */
export function checkCells({ carried, carriedKinds, entries }: ImageList): void {
  const expected = `${carried.length} (${carried.join(', ')})`;
  if (carriedKinds && carriedKinds.length !== carried.length)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `Expected ${expected} carriedKinds, not ${carriedKinds.length}.`,
    );
  for (const { id, carried: cells } of entries) {
    if (cells.length !== carried.length)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `Expected ${expected} cells of "${id}", not ${cells.length}.`,
      );
    for (const [i, kind] of (carriedKinds ?? []).entries()) {
      const cell = cells[i]!;
      if (kind === 'text' || cell === '' || (kind === 'integer' ? isInteger(cell) : isDouble(cell))) continue;
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `Expected ${kind === 'integer' ? 'an integer of 64 bits' : 'a number'} in the column "${carried[i]}" of "${id}", not "${cell}".`,
      );
    }
  }
}
