/** From the values of a label file to the classes of a class set. */
import { DinoSegError } from '../errors.js';
import type { LabelMapping } from './class-set.js';
import type { LabelImage } from './decode.js';

/** The class of every pixel of a labelled image. */
export interface MappedLabel {
  /** Class indices H×W, row by row; 255 for pixels without a class. */
  readonly data: Uint8Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
}

const shownValues = 8;

function listKnown({ known }: LabelMapping): string {
  const ranges: string[] = [];
  for (let from = 0; from < 256; from++) {
    if (!known[from]) continue;
    let to = from;
    while (known[to + 1]) to++;
    ranges.push(from === to ? `${from}` : `${from}…${to}`);
    from = to;
  }
  return ranges.join(', ');
}

function refuseValues(raw: LabelImage, mapping: LabelMapping, source: string, setName: string): never {
  const counts = new Map<number, number>();
  let first = -1;
  raw.data.forEach((value, i) => {
    if (mapping.known[value]) return;
    if (first < 0) first = i;
    counts.set(value, (counts.get(value) ?? 0) + 1);
  });
  const sorted = [...counts].sort(([a], [b]) => a - b);
  const listed = sorted.slice(0, shownValues).map(([value, count]) => `${value} (${count} pixels)`);
  const more = sorted.length > shownValues ? ` and ${sorted.length - shownValues} more values` : '';
  throw new DinoSegError(
    'LABEL_VALUE',
    `${source} contains values outside the class set "${setName}": ${listed.join(', ')}${more}; the first, ` +
      `${raw.data[first]}, at x ${first % raw.width}, y ${Math.floor(first / raw.width)}. ` +
      `For ${mapping.kind} files it defines ${listKnown(mapping)}. Choose the matching class set or kind of label ` +
      'file, or give a class file whose "mapping" or "ignore" lists these values.',
  );
}

/** Beyond the values of a pair of pixels: one of the two is unknown. */
const unknown = 0x10000;
const pairs = new WeakMap<LabelMapping, Uint32Array>();

/** The classes of two neighbouring pixels by their values: with one lookup for both, a photograph takes half the time. */
function pairsOf(mapping: LabelMapping): Uint32Array {
  const found = pairs.get(mapping);
  if (found) return found;
  const { toIndex, known } = mapping;
  const table = new Uint32Array(0x10000).map((_, both) => {
    const [low, high] = [both & 0xff, both >> 8];
    return known[low] && known[high] ? toIndex[low]! | (toIndex[high]! << 8) : unknown;
  });
  pairs.set(mapping, table);
  return table;
}

/** Maps pixels two at a time, as far as they come in pairs. Gives the number of mapped ones; −1 if there is an unknown value. */
function mapPairs(values: LabelImage['data'], data: Uint8Array, mapping: LabelMapping): number {
  if (!(values instanceof Uint8Array) || values.byteOffset % 2 !== 0) return 0;
  const table = pairsOf(mapping);
  const from = new Uint16Array(values.buffer, values.byteOffset, values.length >> 1);
  const to = new Uint16Array(data.buffer, 0, from.length);
  let seen = 0;
  for (let i = 0; i < from.length; i++) {
    const both = table[from[i]!]!;
    seen |= both;
    to[i] = both;
  }
  return seen & unknown ? -1 : 2 * from.length;
}

/**
 * Raw label values to class indices.
 * @param source what messages call the label
 * @throws LABEL_VALUE where a value is unknown to the mapping
 */
export function mapLabel(
  raw: LabelImage,
  mapping: LabelMapping,
  source: string,
  setName: string,
): MappedLabel {
  const { data: values, width, height } = raw;
  const { toIndex, known } = mapping;
  const data = new Uint8Array(values.length);
  const mapped = mapPairs(values, data, mapping);
  if (mapped < 0) refuseValues(raw, mapping, source, setName);
  for (let i = mapped; i < values.length; i++) {
    const value = values[i]!;
    if (!known[value]) refuseValues(raw, mapping, source, setName);
    data[i] = toIndex[value]!;
  }
  return { data, width, height };
}
