/** Label images of classes from the annotations of IDD and Cityscapes (`*_gtFine_polygons.json`). */
import {
  checkArgument,
  checkOptions,
  kind,
  number,
  oneOf,
  signal,
  text,
  type OptionKinds,
} from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { mostTextBytes, parseJson, readBytes, refuseSpecial } from '../files.js';
import { isObject, shown as shownWhole } from '../json.js';
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { Polygons } from '../native/bindings/engine.js';
import { didYouMean } from '../nearest.js';
import { checkedMaxPixels, decodingRoom } from './budget.js';
import { ignoreIndex, notDrawn, unknownLabels, type UnknownLabels } from './class-set.js';
import type { MappedLabel } from './map-label.js';
import { idd26Labels } from './sets/idd26.js';

/** Options of {@link decodePolygons}. */
export interface PolygonOptions {
  /** Labels of objects and their class indices, as a class set's mapping of `polygons` has them. Default: IDD's level 3. */
  names?: ReadonlyMap<string, number> | undefined;
  /** How to treat objects whose label is not among the names. Default `ignore`. */
  unknown?: UnknownLabels | undefined;
  /** Maximum number of pixels of the label; annotations that declare more are refused. Default 268,402,689 (0x3FFF²). */
  maxPixels?: number | undefined;
}

const polygonOptions: OptionKinds<PolygonOptions & Pick<JobOptions, 'signal'>> = {
  names: kind<ReadonlyMap<string, number>>('a Map of labels', (value) => value instanceof Map),
  unknown: oneOf(unknownLabels),
  maxPixels: number,
  signal,
};

/** Objects of an annotation that are not drawn as they are. */
export interface OddObjects {
  /** Labels of objects that are left out since they have fewer than three corners, each with its number of objects. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Labels without a class, each with its number of objects, which are drawn as 255. Empty if they are refused. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** A label image made from polygons: class indices, 255 for pixels without a class. */
export interface PolygonLabel extends MappedLabel, OddObjects {
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Version of the drawing rules. Another rule gets another number, and what was made by it is made again. */
export const polygonRule = 'polygons 2';

/** Of an image that can be decoded. */
const mostSide = 0x3fff;

/** Memory that an annotation's label takes while it is drawn, encoded and written, in bytes for each pixel. */
export const drawnBytes = 2;
/** Larger coordinates are refused by the engine as well (cpp/core/polygon_raster.h). */
const mostCoordinate = 1_000_000;
const groupEnding = 'group';

/** A polygon with fewer has no area; IDD's tool leaves it out as well. */
const leastCorners = 3;

/** Class of a label. A group (`cargroup`) has the class of its singular, unless it is a label by itself (`polegroup`). */
function classOf(label: string, names: ReadonlyMap<string, number>): number | undefined {
  const own = names.get(label);
  if (own !== undefined || !label.endsWith(groupEnding)) return own;
  return names.get(label.slice(0, -groupEnding.length));
}

/** What an annotation holds, ready to be drawn. */
export interface Annotation extends Polygons {
  points: Float64Array<ArrayBuffer>;
  counts: Uint32Array<ArrayBuffer>;
  values: Uint8Array<ArrayBuffer>;
  width: number;
  height: number;
  /** As {@link OddObjects.skipped}. */
  skipped: Map<string, number>;
  /** As {@link OddObjects.unknown}. */
  unknown: Map<string, number>;
}

const mostShown = 60;

/** Polygons may be long. */
function shown(value: unknown): string {
  const text = shownWhole(value);
  return text.length > mostShown ? `${text.slice(0, mostShown)}…` : text;
}

/** JSON has no infinity, but 1e999 is read as one. */
function shownNumber(value: unknown): string {
  return typeof value === 'number' ? String(value) : shown(value);
}

type Refuse = (what: string) => never;

function sideOf(value: unknown, name: string, refuse: Refuse): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= mostSide)
    return value as number;
  return refuse(`"${name}" should be a whole number of pixels from 1 to ${mostSide}, not ${shown(value)}.`);
}

function isDeleted(value: unknown, refuse: Refuse): boolean {
  if (value === undefined || value === 0 || value === false) return false;
  if (value === 1 || value === true) return true;
  return refuse(`"deleted" should be 0, 1, true or false, not ${shown(value)}.`);
}

function isCoordinate(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= mostCoordinate;
}

type Corners = readonly unknown[];

/** None where the object has no polygon at all. */
function cornersOf(polygon: unknown, refuse: Refuse): Corners {
  if (Array.isArray(polygon)) return polygon as unknown[];
  if (polygon === undefined || polygon === null) return [];
  return refuse(`"polygon" should be a list of corners [x, y], not ${shown(polygon)}.`);
}

function checkCorner(corner: unknown, i: number, refuse: Refuse): void {
  if (!Array.isArray(corner) || corner.length !== 2)
    return refuse(`corner ${i} should be [x, y], not ${shown(corner)}.`);
  if (!isCoordinate(corner[0]) || !isCoordinate(corner[1]))
    refuse(
      `corner ${i} should be two numbers of pixels from -${mostCoordinate} to ${mostCoordinate}, not ` +
        `[${corner.map(shownNumber).join(', ')}].`,
    );
}

/** x and y of all corners, in an array that need not grow: there are tens of thousands. */
function flatten(polygons: readonly Corners[]): Float64Array<ArrayBuffer> {
  const points = new Float64Array(2 * polygons.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const polygon of polygons)
    for (const corner of polygon as [number, number][]) {
      points[at++] = corner[0];
      points[at++] = corner[1];
    }
  return points;
}

/** Adds one. */
function count(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}

/**
 * Checks a parsed annotation `{imgHeight, imgWidth, objects: [{label, polygon, deleted?}]}`; other keys are
 * ignored. Deleted objects are left out, whatever else they contain, and so are objects with fewer than three corners.
 *
 * @param source name for messages.
 * @throws DinoSegError DATASET: which object, and what is wrong with it.
 */
export function parsePolygons(value: unknown, source: string, options: PolygonOptions = {}): Annotation {
  const { names = idd26Labels, unknown: treatment = 'ignore', maxPixels = Infinity } = options;
  const refuse: Refuse = (what) => {
    throw new DinoSegError('DATASET', `${source} is not an annotation with polygons: ${what}`);
  };
  if (!isObject(value))
    return refuse(`it should contain {imgHeight, imgWidth, objects}, not ${shown(value)}.`);
  const height = sideOf(value['imgHeight'], 'imgHeight', refuse);
  const width = sideOf(value['imgWidth'], 'imgWidth', refuse);
  if (width * height > maxPixels)
    refuse(
      `it declares ${width}×${height} pixels, more than ${maxPixels}. Raise the limit (maxPixels) if that is its size.`,
    );
  const { objects } = value;
  if (!Array.isArray(objects)) return refuse(`"objects" should be a list, not ${shown(objects)}.`);
  const polygons: Corners[] = [];
  const values: number[] = [];
  const skipped = new Map<string, number>();
  const unknown = new Map<string, number>();
  for (const [i, object] of (objects as unknown[]).entries()) {
    if (!isObject(object))
      return refuse(`objects[${i}] should be {label, polygon, …}, not ${shown(object)}.`);
    const { label } = object;
    const refuseObject: Refuse = (what) =>
      refuse(`objects[${i}]${typeof label === 'string' ? ` (${shown(label)})` : ''}: ${what}`);
    if (isDeleted(object['deleted'], refuseObject)) continue;
    if (typeof label !== 'string') return refuseObject(`"label" should be a name, not ${shown(label)}.`);
    const corners = cornersOf(object['polygon'], refuseObject);
    if (corners.length < leastCorners) {
      count(skipped, label);
      continue;
    }
    const index = classOf(label, names);
    if (index === notDrawn) continue;
    if (index === undefined) {
      if (treatment === 'refuse')
        refuseObject(
          `there is no such label in the class set.${didYouMean(label, names.keys())} Correct it, or draw objects with ` +
            'unknown labels without a class (--unknown ignore).',
        );
      count(unknown, label);
    }
    for (let corner = 0; corner < corners.length; corner++)
      checkCorner(corners[corner], corner, refuseObject);
    polygons.push(corners);
    values.push(index ?? ignoreIndex);
  }
  return {
    width,
    height,
    points: flatten(polygons),
    counts: Uint32Array.from(polygons, ({ length }) => length),
    values: new Uint8Array(values),
    skipped,
    unknown,
  };
}

/** The bytes of an annotation. @throws DinoSegError DATASET for what is no file, FILE_NOT_FOUND, IO */
export async function readAnnotationBytes(path: string): Promise<Buffer> {
  await refuseSpecial(path, 'DATASET', 'a file with an annotation');
  return readBytes(path, mostTextBytes, 'DATASET');
}

/** {@link parsePolygons} of a file's bytes. @throws DinoSegError DATASET also where they are no JSON */
export function readPolygons(bytes: Buffer, source: string, options: PolygonOptions = {}): Annotation {
  const parsed = parseJson(bytes.toString('utf8'), 'DATASET', (why) => `${source} is not JSON: ${why}`);
  return parsePolygons(parsed, source, options);
}

/**
 * The label of an annotation.
 *
 * @param options.margin zeros before each row. Default 0.
 * @returns H×(margin + W)
 * @throws the signal's reason
 */
export async function drawPolygons(
  { width, height, points, counts, values }: Annotation,
  { margin = 0, signal }: { margin?: number } & Pick<JobOptions, 'signal'> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = { width, height, background: ignoreIndex, margin };
  return runJob({ signal }, (job) => engine().fillPolygons({ points, counts, values }, canvas, job));
}

/**
 * Draws the polygons of an annotation into a label image of classes (default: IDD's level 3), in their order: later ones
 * cover earlier ones. Pixels without a polygon, and those of labels without a class, are 255. docs/idd.md defines which
 * pixels belong to a polygon.
 *
 * @param path of a `*_gtFine_polygons.json`.
 * @throws DinoSegError DATASET if it is not an annotation, or with `unknown: 'refuse'` has unknown labels;
 *   FILE_NOT_FOUND, IO; the signal's reason
 */
export async function decodePolygons(
  path: string,
  options: PolygonOptions & Pick<JobOptions, 'signal'> = {},
): Promise<PolygonLabel> {
  checkArgument(path, text, 'decodePolygons(path)');
  checkOptions(options, polygonOptions, 'decodePolygons()');
  checkedMaxPixels(options.maxPixels);
  const annotation = readPolygons(await readAnnotationBytes(path), path, options);
  const { width, height, skipped, unknown } = annotation;
  const draw = () => drawPolygons(annotation, options);
  const data = await decodingRoom.during(drawnBytes * width * height, draw, options.signal);
  return { data, width, height, skipped, unknown };
}
