/** Decides whether an annotation's label image must be made, and from what. Needs no engine. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { DinoSegError } from '../errors.js';
import { mostTextBytes, readBytes } from '../files.js';
import { noteOfLabelFile } from './label-file.js';
import type { UnknownLabels } from './class-set.js';
import { polygonRule, readPolygons, type Annotation } from './polygons.js';

/** A request for one annotation. */
export interface AnnotationTask {
  /** The annotation. */
  source: string;
  /** Its label image. */
  target: string;
  /** Whether to make it even if there is a label image that is up to date or made by other means. */
  force: boolean;
  unknown: UnknownLabels;
}

/**
 * The result: the label image is up to date, or was made by other means; an annotation to draw, with the note of
 * its label image; or an error.
 */
export type AnnotationRead =
  'upToDate' | 'kept' | { annotation: Annotation; note: string } | { code: string; message: string };

const unknownNote = ', unknown labels ignored';

/** The note of a label image made from these bytes. It does not use the file's time, which copies and checkouts change. */
function noteOf(annotation: Buffer): string {
  return `IDD level 3, ${polygonRule}, SHA-256 ${createHash('sha256').update(annotation).digest('hex')}`;
}

type Existing = 'absent' | 'damaged' | 'foreign' | { note: string };

async function existingFile(path: string): Promise<Existing> {
  if ((await stat(path).catch(() => undefined)) === undefined) return 'absent';
  const found = noteOfLabelFile(await readBytes(path));
  if (found === null) return 'foreign';
  return found.damaged ? 'damaged' : found;
}

async function read({ source, target, force, unknown }: AnnotationTask): Promise<AnnotationRead> {
  const bytes = await readBytes(source, mostTextBytes, 'DATASET');
  const note = noteOf(bytes);
  const existing = force ? 'absent' : await existingFile(target);
  if (existing === 'foreign') return 'kept';
  if (typeof existing === 'object' && existing.note === note) return 'upToDate';
  if (typeof existing === 'object' && existing.note === note + unknownNote && unknown === 'ignore')
    return 'upToDate';
  const annotation = readPolygons(bytes, source, { unknown });
  return { annotation, note: annotation.unknown.size > 0 ? note + unknownNote : note };
}

/** Looks at an annotation and at its label image. @throws what is no fault of theirs */
export async function readAnnotation(task: AnnotationTask): Promise<AnnotationRead> {
  try {
    return await read(task);
  } catch (error) {
    if (!(error instanceof DinoSegError)) throw error;
    return { code: error.code, message: error.message };
  }
}
