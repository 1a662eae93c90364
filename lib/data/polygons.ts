/** Label images of level-3 classes from IDD's annotations (`*_gtFine_polygons.json`). */
import { checkArgument, checkOptions, oneOf, signal, text, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { parseJson, readBytes } from '../files.js';
import { isObject, shown as shownWhole } from '../json.js';
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type { Polygons } from '../native/bindings/engine.js';
import { didYouMean } from '../nearest.js';
import { ignoreIndex } from './class-set.js';
import type { MappedLabel } from './map-label.js';
import { idd26Ignored, idd26RawToLevel3 } from './sets/idd26.js';

/** How to treat objects whose label IDD does not have. */
export const unknownLabels = ['refuse', 'ignore'] as const;
/** `refuse`: throw an error; `ignore`: draw pixels without a class. */
export type UnknownLabels = (typeof unknownLabels)[number];

/** Options of {@link decodePolygons}. */
export interface PolygonOptions {
  /** How to treat objects whose label IDD does not have. Default `refuse`. */
  unknown?: UnknownLabels | undefined;
}

const polygonOptions: OptionKinds<PolygonOptions & Pick<JobOptions, 'signal'>> = {
  unknown: oneOf(unknownLabels),
  signal,
};

/** A label image made from polygons: level-3 classes, 255 for pixels without a class. */
export interface PolygonLabel extends MappedLabel {
  readonly data: Uint8Array<ArrayBuffer>;
  /** Labels that IDD does not have, each with its number of objects; empty if they are refused. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** Version of the drawing rules. Another table or rule gets another number, and all label images are remade. */
export const polygonRule = 'IDD level 3, polygons 1';

/** Of an image that can be decoded. */
const mostSide = 0x3fff;
/** Larger coordinates are refused by the engine as well (cpp/core/polygon_raster.h). */
const mostCoordinate = 1_000_000;
const groupEnding = 'group';

const level3 = new Map<string, number>([
  ...idd26RawToLevel3.map(([, name, index]) => [name, index] as const),
  ...idd26Ignored.map(([, name]) => [name, ignoreIndex] as const),
]);

/** Class of a label. A group (`cargroup`) has the class of its singular, unless it is a label by itself (`polegroup`). */
function classOf(label: string): number | undefined {
  const own = level3.get(label);
  if (own !== undefined || !label.endsWith(groupEnding)) return own;
  return level3.get(label.slice(0, -groupEnding.length));
}

/** What an annotation holds, ready to be drawn. */
export interface Annotation extends Polygons {
  points: Float64Array<ArrayBuffer>;
  counts: Uint32Array<ArrayBuffer>;
  values: Uint8Array<ArrayBuffer>;
  width: number;
  height: number;
  /** As {@link PolygonLabel.unknown}. */
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

function cornersOf(polygon: unknown, refuse: Refuse): Corners {
  if (Array.isArray(polygon) && polygon.length > 0) return polygon as unknown[];
  return refuse(`"polygon" should be a list of at least one corner [x, y], not ${shown(polygon)}.`);
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

/**
 * Checks a parsed annotation `{imgHeight, imgWidth, objects: [{label, polygon, deleted?}]}`; other keys are
 * ignored. Deleted objects are left out, whatever else they contain.
 *
 * @param source name for messages.
 * @throws DinoSegError DATASET: which object, and what is wrong with it.
 */
export function parsePolygons(value: unknown, source: string, options: PolygonOptions = {}): Annotation {
  const refuse: Refuse = (what) => {
    throw new DinoSegError('DATASET', `${source} is not an IDD annotation: ${what}`);
  };
  if (!isObject(value))
    return refuse(`it should contain {imgHeight, imgWidth, objects}, not ${shown(value)}.`);
  const height = sideOf(value['imgHeight'], 'imgHeight', refuse);
  const width = sideOf(value['imgWidth'], 'imgWidth', refuse);
  const { objects } = value;
  if (!Array.isArray(objects)) return refuse(`"objects" should be a list, not ${shown(objects)}.`);
  const polygons: Corners[] = [];
  const values: number[] = [];
  const unknown = new Map<string, number>();
  for (const [i, object] of (objects as unknown[]).entries()) {
    if (!isObject(object))
      return refuse(`objects[${i}] should be {label, polygon, …}, not ${shown(object)}.`);
    const { label } = object;
    const refuseObject: Refuse = (what) =>
      refuse(`objects[${i}]${typeof label === 'string' ? ` (${shown(label)})` : ''}: ${what}`);
    if (isDeleted(object['deleted'], refuseObject)) continue;
    if (typeof label !== 'string') return refuseObject(`"label" should be a name, not ${shown(label)}.`);
    const index = classOf(label);
    if (index === undefined) {
      if (options.unknown !== 'ignore')
        refuseObject(
          `IDD has no such label.${didYouMean(label, level3.keys())} Correct it, or make the label images with ` +
            'unknown labels ignored (`dinov3-seg prepare idd --unknown ignore`).',
        );
      unknown.set(label, (unknown.get(label) ?? 0) + 1);
    }
    const corners = cornersOf(object['polygon'], refuseObject);
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
    unknown,
  };
}

/** {@link parsePolygons} of a file's bytes. @throws DinoSegError DATASET also where they are no JSON */
export function readPolygons(bytes: Buffer, source: string, options: PolygonOptions = {}): Annotation {
  const parsed = parseJson(bytes, 'DATASET', (why) => `${source} is not JSON: ${why}`);
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
 * Draws the polygons of an annotation into a label image of level-3 classes, in their order: later ones cover
 * earlier ones. Pixels without a polygon, and those of labels that IDD ignores, are 255. docs/idd.md defines which
 * pixels belong to a polygon.
 *
 * @param path of a `*_gtFine_polygons.json`.
 * @throws DinoSegError DATASET if it is not an annotation or has unknown labels, FILE_NOT_FOUND, IO; the signal's
 *   reason
 */
export async function decodePolygons(
  path: string,
  options: PolygonOptions & Pick<JobOptions, 'signal'> = {},
): Promise<PolygonLabel> {
  checkArgument(path, text, 'decodePolygons(path)');
  checkOptions(options, polygonOptions, 'decodePolygons()');
  const annotation = readPolygons(await readBytes(path), path, options);
  const { width, height, unknown } = annotation;
  return { data: await drawPolygons(annotation, options), width, height, unknown };
}
