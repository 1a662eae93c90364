/** From the values of a label file to the classes of a class set. */
import { DinoSegError } from '../errors.js';
import type { LabelMapping } from './class-set.js';
import type { LabelImage } from './decode.js';
import { engine } from '../native/engine.js';

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

/** In place of a class, for values that the mapping does not know. */
const noClass = 0x100;
const tables = new WeakMap<LabelMapping, Uint32Array>();

function tableOf(mapping: LabelMapping): Uint32Array {
  const found = tables.get(mapping);
  if (found) return found;
  const { toIndex, known } = mapping;
  const table = Uint32Array.from(toIndex, (index, value) => (known[value] ? index : noClass));
  tables.set(mapping, table);
  return table;
}

/**
 * Raw label values to class indices. Off the JavaScript thread, without a copy: leave the values alone until it is done.
 * @param source what messages call the label
 * @throws LABEL_VALUE where a value is unknown to the mapping
 */
export async function mapLabel(
  raw: LabelImage,
  mapping: LabelMapping,
  source: string,
  setName: string,
): Promise<MappedLabel> {
  const { width, height } = raw;
  const data = await engine().mapLabel(raw.data, tableOf(mapping));
  return data ? { data, width, height } : refuseValues(raw, mapping, source, setName);
}
