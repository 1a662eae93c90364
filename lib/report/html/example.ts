/** Images and class maps as examples of a report: resized, with alternative texts. */
import { checkArgument, kind, objectWith, orNull, text } from '../../arguments.js';
import { classSetKind, rgbImageKind } from '../../data/argument-kinds.js';
import type { ClassSet } from '../../data/class-set.js';
import { encodePreview, type RgbImage } from '../../data/decode.js';
import { DinoSegError } from '../../errors.js';
import { countPixels } from '../class-statistics.js';
import { percent } from './format.js';
import { indexedPng } from './indexed-png.js';
import type { Example, ExampleLayer, ExamplesSection } from './report.js';

/** Max pixels of an example's longer side. */
export const mostPixels = 640;
/** Number of classes in an alternative text. */
const named = 4;

/** A class map of an image, of any size. */
export interface ExampleMap {
  /** Name in the report's menus. Default: its role. */
  name?: string;
  /** `prediction`, or `truth`: the ground truth that the predictions are compared with. */
  role: 'prediction' | 'truth';
  /** Class indices H×W, row by row; 255: no class. */
  data: Uint8Array;
  /** Width in pixels. */
  width: number;
  /** Height in pixels. */
  height: number;
}

/** An image with its class maps. */
export interface ExampleInput {
  /** Name of the image. */
  name: string;
  /** The image. */
  image: RgbImage;
  /** Class maps of the image. */
  maps?: readonly ExampleMap[];
  /** Mean IoU of the first prediction, 0…1. Readers can sort by it. Null: not measured. */
  iou?: number | null;
  /** Caption. Default: the IoU and the share of correct labelled pixels, if there are predictions and a ground truth. */
  caption?: string;
  /** Additional pictures with the image's proportions, by name. */
  pictures?: Readonly<Record<string, RgbImage>>;
}

/** Order of examples: lowest or highest IoU first. */
export type ExampleOrder = 'lowest' | 'highest';

/** Heading and order of a section of examples. */
export interface ExamplesHeading {
  /** Heading. */
  title: string;
  /** One or two sentences below the heading. */
  note?: string;
  /** Order by IoU. Default: the given order. */
  order?: ExampleOrder;
}

/** Resizes a class map to the nearest pixel. @throws DinoSegError SHAPE if its data does not match its width and height */
export function resizedMap(
  { data, width, height }: Omit<ExampleMap, 'role'>,
  to: { width: number; height: number },
): Uint8Array {
  if (data.length !== width * height)
    throw new DinoSegError(
      'SHAPE',
      `A map of ${height}×${width} needs ${width * height} values, not ${data.length}.`,
    );
  const small = new Uint8Array(to.width * to.height);
  const columns = Int32Array.from({ length: to.width }, (_, x) => Math.floor(((x + 0.5) * width) / to.width));
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * height) / to.height) * width;
    for (let x = 0; x < to.width; x++) small[y * to.width + x] = data[row + columns[x]!]!;
  }
  return small;
}

/** `prediction for a.png: road 34 %, sky 20 %`. */
function mapText(name: string, of: string, map: Uint8Array, set: ClassSet): string {
  const { counts } = countPixels(map, set);
  const largest = set.classes
    .filter(({ index }) => counts[index]! > 0)
    .sort((a, b) => counts[b.index]! - counts[a.index]!)
    .slice(0, named)
    .map(({ index, name }) => `${name} ${percent(counts[index]! / map.length, 0)}`);
  return `${name} for ${of}: ${largest.join(', ') || 'no class'}.`;
}

/** Share of the labelled pixels whose class is that of the label. */
function rightShare(prediction: Uint8Array, truth: Uint8Array): number | null {
  let [labelled, right] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    if (truth[i] === 255) continue;
    labelled++;
    if (prediction[i] === truth[i]) right++;
  }
  return labelled === 0 ? null : right / labelled;
}

const webpUri = (bytes: Buffer) => `data:image/webp;base64,${bytes.toString('base64')}`;

/** One example, and the classes that occur in it. */
async function exampleOf(
  { name, image, maps = [], pictures = {}, iou, caption }: ExampleInput,
  set: ClassSet | null,
): Promise<{ example: Example; present: ReadonlySet<number> }> {
  const photo = await encodePreview(image, mostPixels);
  let size = sizeOf(photo);
  const layers: ExampleLayer[] = [
    { name: 'image', role: 'photo', source: webpUri(photo.bytes), alt: `The image ${name}.` },
  ];
  for (const [label, picture] of Object.entries(pictures)) {
    const preview = await encodePreview(picture, mostPixels);
    // A picture drawn over a small image may be larger than the image.
    if (preview.width > size.width) size = sizeOf(preview);
    const source = webpUri(preview.bytes);
    layers.push({ name: label, role: 'picture', source, alt: `${name}: ${label}.` });
  }
  const present = new Set<number>();
  const predictions: { label: string; map: Uint8Array }[] = [];
  let truth: Uint8Array | undefined;
  for (const given of set ? maps : []) {
    const map = resizedMap(given, size);
    const label = given.name ?? given.role;
    for (const index of map) present.add(index);
    if (given.role === 'truth') truth = map;
    else predictions.push({ label, map });
    const png = indexedPng(map, size.width, size.height, set!.classes);
    const source = `data:image/png;base64,${png.toString('base64')}`;
    layers.push({ name: label, role: given.role, source, alt: mapText(label, name, map, set!) });
  }
  const measured = truth
    ? predictions.map(({ label, map }, i) => {
        const first = i === 0 && typeof iou === 'number' ? `IoU ${percent(iou)}, ` : '';
        return `${label}: ${first}${percent(rightShare(map, truth))} of the labelled pixels correct`;
      })
    : [];
  const said = caption ?? (measured.length > 0 ? `${measured.join('; ')}.` : undefined);
  const told = { ...(typeof iou === 'number' && { iou }), ...(said !== undefined && { caption: said }) };
  return { example: { name, ...size, layers, ...told }, present };
}

const sizeOf = ({ width, height }: { width: number; height: number }) => ({ width, height });

/** Sorts by IoU; examples without one come last. */
function sorted(examples: readonly Example[], order: ExampleOrder): Example[] {
  const direction = order === 'lowest' ? 1 : -1;
  const keyOf = ({ iou }: Example) => (iou === undefined ? Infinity : direction * iou);
  return [...examples].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : Number(keyOf(a) > keyOf(b))));
}

/** Collects examples one at a time, so that only one is in memory at its full size. */
export class Examples {
  readonly #examples: Example[] = [];
  readonly #present = new Set<number>();

  /** @param set names and colours of the maps' classes; null if there are no maps. */
  constructor(private readonly set: ClassSet | null) {}

  /** @throws DinoSegError SHAPE if a map's data does not match its width and height. */
  async add(input: ExampleInput): Promise<void> {
    const { example, present } = await exampleOf(input, this.set);
    this.#examples.push(example);
    for (const index of present) this.#present.add(index);
  }

  /** Number of examples. */
  get count(): number {
    return this.#examples.length;
  }

  /** The section with all examples. */
  section({ order, ...heading }: ExamplesHeading): ExamplesSection {
    const classes = this.set?.classes.filter(({ index }) => this.#present.has(index)) ?? [];
    const examples = order === undefined ? this.#examples : sorted(this.#examples, order);
    return { kind: 'examples', ...heading, classes, examples };
  }
}

const headingKind = objectWith<{ title: string; note?: string }>('an object {title, note?}', { title: text });
const inputKind = objectWith<ExampleInput>('an example {name, image, …}', {
  name: text,
  image: rgbImageKind,
});
const inputsKind = kind<Iterable<ExampleInput> | AsyncIterable<ExampleInput>>(
  'an array or another (async) iterable of examples',
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    (Symbol.iterator in value || Symbol.asyncIterator in value),
);

/**
 * Makes a section of examples for a report.
 *
 * @param inputs examples; read one at a time.
 * @param set names and colours of the maps' classes; null if there are no maps.
 * @throws DinoSegError INVALID_ARGUMENT; SHAPE if a map's data does not match its width and height.
 */
export async function examplesSection(
  heading: ExamplesHeading,
  inputs: Iterable<ExampleInput> | AsyncIterable<ExampleInput>,
  set: ClassSet | null,
): Promise<ExamplesSection> {
  checkArgument(heading, headingKind, 'examplesSection(heading)');
  checkArgument(inputs, inputsKind, 'examplesSection(inputs)');
  checkArgument(set, orNull(classSetKind), 'examplesSection(set)');
  const examples = new Examples(set);
  for await (const input of inputs) {
    checkArgument(input, inputKind, 'examplesSection(inputs): an input');
    await examples.add(input);
  }
  return examples.section(heading);
}
