/** Compares the object counts of a feature table with the drawn objects. */
import { join } from 'node:path';
import type { CountedClass } from '../features/feature-set.js';
import { readTable } from '../features/table-reader.js';
import type { TableColumn, TableRow } from '../features/table.js';
import { readJson } from '../files.js';
import { meanOf } from '../evaluate/metrics.js';

/** Results of a class over the scenes. */
export interface CountedObjects {
  /** COCO's name. */
  readonly name: string;
  /** Mean number of visible drawn objects per scene. */
  readonly drawn: number;
  /** Mean number of objects per scene in the table. */
  readonly counted: number;
  /** Mean absolute difference between the two numbers of a scene. */
  readonly error: number;
  /** Error of predicting `drawn` for every scene. */
  readonly errorOfMean: number;
}

/** A table with counts and the scenes of its rows. */
export interface CountedScenes {
  table: string;
  /** Columns of the table. */
  columns: readonly TableColumn[];
  classes: readonly CountedClass[];
  /** Folder of the scenes' data set, and their split in it. */
  root: string;
  split: string;
  /** The scenes' pictures, in the order of the rows. */
  images: readonly string[];
}

/** The members of a COCO file that are read. */
interface Annotations {
  images: { id: number; file_name: string }[];
  annotations: { image_id: number; category_id: number }[];
}

/** Compares a table's counts with the drawn objects. @throws DinoSegError DATASET, TABLE, FILE_NOT_FOUND, IO */
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

/** COCO category ids of the objects in each picture, by the picture's path. */
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
