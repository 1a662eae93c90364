/** What a table of features counts, beside what was drawn. */
import { join } from 'node:path';
import type { CountedClass } from '../features/feature-set.js';
import { readTable } from '../features/table-reader.js';
import type { TableColumn, TableRow } from '../features/table-writer.js';
import { readJson } from '../files.js';
import { meanOf } from '../evaluate/metrics.js';

/** Of a class, over the scenes. */
export interface CountedObjects {
  /** COCO's name. */
  readonly name: string;
  /** Objects a scene that were drawn and are seen. */
  readonly drawn: number;
  /** Objects a scene in the table. */
  readonly counted: number;
  /** Mean difference, without sign, between the two in a scene. */
  readonly error: number;
  /** The same for who says `drawn` of every scene. */
  readonly errorOfMean: number;
}

/** A table with counts, and the scenes that its rows are of. */
export interface CountedScenes {
  table: string;
  /** Of the table. */
  columns: readonly TableColumn[];
  classes: readonly CountedClass[];
  /** Folder of the scenes' data set, and which of its splits they are. */
  root: string;
  split: string;
  /** The scenes' pictures, in the order of the rows. */
  images: readonly string[];
}

/** What is read of a COCO file. */
interface Annotations {
  images: { id: number; file_name: string }[];
  annotations: { image_id: number; category_id: number }[];
}

/** Compares a table's counts with what was drawn. @throws DinoSegError DATASET, TABLE, FILE_NOT_FOUND, IO */
export async function judgeCounts(scenes: CountedScenes): Promise<CountedObjects[]> {
  const { table, columns, classes, images } = scenes;
  const idsOf = await drawnIds(scenes);
  const rows: TableRow[] = [];
  for await (const row of readTable(table, columns)) rows.push(row);
  return classes.map(({ name, label, column }) => {
    const place = columns.findIndex((each) => each.name === column);
    const drawn = images.map((image) => idsOf.get(image)!.filter((id) => id === label).length);
    const counted = rows.map((row) => Number(row[place]));
    const mean = meanOf(drawn) ?? 0;
    return {
      ...{ name, drawn: mean, counted: meanOf(counted) ?? 0 },
      error: meanOf(drawn.map((count, i) => Math.abs(count - counted[i]!))) ?? 0,
      errorOfMean: meanOf(drawn.map((count) => Math.abs(count - mean))) ?? 0,
    };
  });
}

/** By the path of a picture, COCO's id of each of its objects. */
async function drawnIds({ root, split }: CountedScenes): Promise<Map<string, number[]>> {
  const path = join(root, 'annotations', `instances_${split}.json`);
  const { images, annotations } = (await readJson(path, 'DATASET')) as Annotations;
  const ids = new Map(images.map(({ id }) => [id, [] as number[]]));
  for (const { image_id, category_id } of annotations) ids.get(image_id)!.push(category_id);
  return new Map(images.map(({ id, file_name }) => [join(root, file_name), ids.get(id)!]));
}

/** Means over the classes. */
export function meanErrors(
  objects: readonly CountedObjects[],
): Pick<CountedObjects, 'error' | 'errorOfMean'> {
  return {
    error: meanOf(objects.map(({ error }) => error)) ?? 0,
    errorOfMean: meanOf(objects.map(({ errorOfMean }) => errorOfMean)) ?? 0,
  };
}
