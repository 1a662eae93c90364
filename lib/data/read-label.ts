/** Reads a label file of any kind. */
import { identityMapping, type ClassSet, type LabelMapping, type UnknownLabels } from './class-set.js';
import { classesOfColors } from './color-label.js';
import { decodeLabelOrColors, type LabelImage } from './decode.js';
import { decodePolygons, type OddObjects } from './polygons.js';

/** A label file. */
export interface ReadLabel {
  /** Its values. */
  raw: LabelImage;
  /** What they mean. */
  mapping: LabelMapping;
  /** Of an annotation with polygons: objects that were not drawn as they are. */
  objects?: OddObjects;
}

/** Colour-coded label images are read as class indices. */
const ofColors = new WeakMap<ClassSet, LabelMapping>();

function colorMapping(set: ClassSet): LabelMapping {
  const found = ofColors.get(set);
  if (found) return found;
  const made = identityMapping('labelTrainIds', set.classes.length);
  ofColors.set(set, made);
  return made;
}

/**
 * The values of a label file and their meaning.
 *
 * @param mapping the class set's for this kind of file.
 * @param options `unknown`, for polygons; `maxPixels`: larger labels are refused.
 * @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO; DATASET for invalid polygons.
 */
export async function readLabel(
  path: string,
  set: ClassSet,
  mapping: LabelMapping,
  { unknown, maxPixels }: { unknown?: UnknownLabels | undefined; maxPixels?: number | undefined } = {},
): Promise<ReadLabel> {
  if (mapping.kind === 'polygons') {
    const raw = await decodePolygons(path, { names: mapping.names, unknown, maxPixels });
    return { raw, mapping, objects: raw };
  }
  const decoded = await decodeLabelOrColors(path, maxPixels);
  if ('values' in decoded) return { raw: decoded.values, mapping };
  return { raw: await classesOfColors(decoded.colors, set, path), mapping: colorMapping(set) };
}
