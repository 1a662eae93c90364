/** Polygons to label images, as the engine has it; rules in engine.ts. */
import type { JobHandle } from './handles.js';

/** Polygons in the order in which they are drawn. */
export interface Polygons {
  /** x and y of every corner in pixels, all polygons in a row; within ±1,000,000. */
  points: Float64Array;
  /** Corners of each polygon. */
  counts: Uint32Array;
  /** What each polygon paints. */
  values: Uint8Array;
}

/** What polygons are drawn on. */
export interface LabelCanvas {
  /** Width in pixels. */
  width: number;
  /** Height in pixels. */
  height: number;
  /** Where no polygon is: 0…255. */
  background: number;
  /** Zeros before each row of the result: a PNG's rows begin with a byte that is 0 for "no filter". */
  margin: number;
}

/** The engine's function on polygons. */
export interface PolygonEngine {
  /**
   * Label H×(margin + W): the background, and each polygon's value over what was there before. Which pixels belong to a polygon
   * is said in cpp/core/polygon_raster.h. Off the model's thread. INVALID_ARGUMENT for a coordinate that is not finite or out
   * of range.
   */
  fillPolygons(polygons: Polygons, canvas: LabelCanvas, job?: JobHandle): Promise<Uint8Array<ArrayBuffer>>;
}
