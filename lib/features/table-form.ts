/** How a table is written: its columns and rows, and where its images were taken. */
import { DinoSegError } from '../errors.js';
import type { ImageEntry, ImageList } from '../images/images-of-paths.js';
import { carriedValue } from './carried-kinds.js';
import type { TableForm, TableIdentity } from './identity.js';
import { formatOf, type GeometryPlaces, type TableColumn, type TableRow } from './table.js';

const latitudeNames = ['lat', 'latitude'];
const longitudeNames = ['lon', 'lng', 'long', 'longitude'];

/**
 * Finds the columns with latitude and longitude by their names. `why`: what is wrong with the columns of these names; undefined if
 * there are none.
 */
export function locationOf(images: ImageList): { location: TableForm['location']; why?: string } {
  const { carried, carriedKinds, entries } = images;
  const find = (known: readonly string[]) =>
    carried.findIndex((name) => known.includes(name.trim().toLowerCase()));
  const [latitude, longitude] = [find(latitudeNames), find(longitudeNames)];
  if (latitude < 0 || longitude < 0) return { location: null };
  for (const [place, most] of [
    [latitude, 90],
    [longitude, 180],
  ] as const) {
    const name = carried[place]!;
    if (!carriedKinds || carriedKinds[place] === 'text')
      return { location: null, why: `the column "${name}" should hold decimal numbers only` };
    const outside = entries.find((entry) => Math.abs(Number(entry.carried[place])) > most);
    if (outside)
      return {
        location: null,
        why: `the column "${name}" should be in degrees, −${most}…${most}, but is ${outside.carried[place]} for "${outside.id}"`,
      };
  }
  return { location: { latitude: carried[latitude]!, longitude: carried[longitude]! } };
}

/** A name of lower-case letters, digits and underscores that begins with a letter. */
function sqlName(name: string, place: number): string {
  const letters = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  const safe = letters.replaceAll(/[^a-z0-9]+/g, '_').replaceAll(/^_+|_+$/g, '');
  return safe === '' ? `column_${place + 1}` : /^\d/.test(safe) ? `c_${safe}` : safe;
}

/** All columns of a table, in its order. */
export function tableColumns({ columns, inputs, form }: TableIdentity): TableColumn[] {
  const carried = inputs.carried.map((name, i): TableColumn => ({
    name,
    kind: carriedKind(inputs.kinds[i]!),
  }));
  const ordered: TableColumn[] =
    form.columns === 'id-first'
      ? [{ name: 'id', kind: 'text' }, ...carried, ...columns]
      : [...columns, ...carried];
  if (form.names === 'plain') return ordered;
  return ordered.map((column, place) => ({ ...column, name: sqlName(column.name, place) }));
}

function carriedKind(kind: TableIdentity['inputs']['kinds'][number]): TableColumn['kind'] {
  return kind === 'text' ? 'optional-text' : kind;
}

/** Place of the first feature in a row. */
export function firstFeature({ inputs, form }: TableIdentity): number {
  return form.columns === 'id-first' ? 1 + inputs.carried.length : 0;
}

/** The row of an image. */
export function rowOf(
  { inputs, form }: TableIdentity,
  image: ImageEntry,
  values: readonly number[],
): TableRow {
  const carried = image.carried.map((cell, i) => carriedValue(inputs.kinds[i]!, cell));
  return form.columns === 'id-first' ? [image.id, ...carried, ...values] : [...values, ...carried];
}

/** What of a row makes its geometry; undefined if there is none. */
export function geometryOf(identity: TableIdentity): GeometryPlaces | undefined {
  const { inputs, form } = identity;
  if (!form.location) return undefined;
  const first = form.columns === 'id-first' ? 1 : identity.columns.length;
  const place = (name: string) => first + inputs.carried.indexOf(name);
  const { latitude, longitude } = form.location;
  const taken = tableColumns(identity).map(({ name }) => name);
  let name = 'geometry';
  while (taken.includes(name)) name += '_of_image';
  return { name, latitude: place(latitude), longitude: place(longitude) };
}

/**
 * Checks that a table can be written.
 *
 * @param why what {@link locationOf} found wrong.
 * @throws DinoSegError MANIFEST if two columns would have one name, or a GeoJSON table has no places; INVALID_ARGUMENT for a file
 *   that is no table, and for a shard in GeoJSON.
 */
export function checkTable(output: string, identity: TableIdentity, why?: string): void {
  checkNames(identity);
  if (formatOf(output) !== 'geojson') return;
  if (identity.shard.count > 1)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `${output}: shards are CSV or Parquet. The table that merge makes of them may be GeoJSON.`,
    );
  if (!identity.form.location)
    throw new DinoSegError(
      'MANIFEST',
      `${output} needs the place of each image, but ${why ?? 'there are no columns "lat" and "lon"'}. Add them to the manifest ` +
        'in degrees (WGS 84), or take them from the images with --gps exif.',
    );
}

function checkNames(identity: TableIdentity): void {
  const plain = tableColumns({ ...identity, form: { ...identity.form, names: 'plain' } });
  const names = tableColumns(identity).map(({ name }) => name);
  const second = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (second < 0) return;
  const name = names[second]!;
  const [a, b] = [names.indexOf(name), second].map((i) => plain[i]!.name);
  throw new DinoSegError(
    'MANIFEST',
    `The table would have two columns "${name}"` +
      (a === b ? ': one from the manifest and one of its own.' : `: from "${a}" and "${b}".`) +
      " Rename the manifest's column.",
  );
}
