/** Points of GeoParquet and GeoJSON. */
import type { GeometryPlaces, TableRow } from './table.js';

/** Longitude and latitude in degrees, WGS 84. */
export type Point = readonly [longitude: number, latitude: number];

/** Where an image was taken; null if its row does not say. */
export function pointOf(row: TableRow, { latitude, longitude }: GeometryPlaces): Point | null {
  const [x, y] = [row[longitude], row[latitude]];
  return x === null || y === null ? null : [Number(x), Number(y)];
}

/** A point as well-known binary (OGC 06-103r4, section 8): little-endian, type 1, two doubles. */
export function wellKnownBinary([x, y]: Point): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(21));
  bytes.setUint8(0, 1);
  bytes.setUint32(1, 1, true);
  bytes.setFloat64(5, x, true);
  bytes.setFloat64(13, y, true);
  return new Uint8Array(bytes.buffer);
}

/** The smallest box around points. */
export class Bounds {
  #box: [west: number, south: number, east: number, north: number] | undefined;

  add([x, y]: Point): void {
    const [west, south, east, north] = (this.#box ??= [x, y, x, y]);
    this.#box = [Math.min(west, x), Math.min(south, y), Math.max(east, x), Math.max(north, y)];
  }

  /** Undefined without points. */
  get box(): readonly number[] | undefined {
    return this.#box;
  }
}

/** The entry `geo` of a file's metadata (GeoParquet 1.1.0). Coordinates are OGC:CRS84, its default. */
export function geoMetadata(column: string, { box }: Bounds): string {
  const described = { encoding: 'WKB', geometry_types: ['Point'], ...(box && { bbox: box }) };
  return JSON.stringify({ version: '1.1.0', primary_column: column, columns: { [column]: described } });
}
