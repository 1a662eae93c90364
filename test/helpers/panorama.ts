/** Perspective views of panoramas in float64, and panoramas that are drawn. Directions: x to the right, y down, z ahead. */

/** Row by row. */
export type Rotation = readonly number[];
export type Direction = readonly [x: number, y: number, z: number];

/** Of a view that looks up by `pitch` and then to the right by `yaw`, in degrees. */
export function rotationOf(yaw: number, pitch: number): Rotation {
  const [y, p] = [(yaw * Math.PI) / 180, (pitch * Math.PI) / 180];
  const up = [1, 0, 0, 0, Math.cos(p), -Math.sin(p), 0, Math.sin(p), Math.cos(p)];
  const right = [Math.cos(y), 0, Math.sin(y), 0, 1, 0, -Math.sin(y), 0, Math.cos(y)];
  return Array.from({ length: 9 }, (_, i) => {
    const [row, column] = [Math.floor(i / 3), i % 3];
    return [0, 1, 2].reduce((sum, k) => sum + right[3 * row + k]! * up[3 * k + column]!, 0);
  });
}

export const rotated = (r: Rotation, [x, y, z]: Direction): Direction => [
  r[0]! * x + r[1]! * y + r[2]! * z,
  r[3]! * x + r[4]! * y + r[5]! * z,
  r[6]! * x + r[7]! * y + r[8]! * z,
];

/** Focal length in pixels of a view of `width` pixels that shows `degrees`. */
export const focalOf = (width: number, degrees: number): number =>
  width / 2 / Math.tan((degrees * Math.PI) / 360);

/** A panorama of height × 2·height pixels in the grey of each direction, 0…255. */
export function drawnPanorama(height: number, grey: (direction: Direction) => number): Uint8Array {
  const pixels = new Uint8Array(height * 2 * height * 3);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < 2 * height; column++) {
      const longitude = ((column + 0.5) / height - 1) * Math.PI;
      const down = ((row + 0.5) / height - 0.5) * Math.PI;
      const level = Math.cos(down);
      const direction = [level * Math.sin(longitude), Math.sin(down), level * Math.cos(longitude)] as const;
      pixels.fill(
        Math.round(grey(direction)),
        (row * 2 * height + column) * 3,
        (row * 2 * height + column + 1) * 3,
      );
    }
  return pixels;
}

interface View {
  rotation: Rotation;
  focal: number;
  height: number;
  width: number;
  samples: number;
}

/** The view's values before they are rounded, height×width×3. */
export function referenceView(
  pixels: Uint8Array,
  [rows, columns]: readonly [number, number],
  { rotation, focal, height, width, samples }: View,
): Float64Array {
  const out = new Float64Array(height * width * 3);
  const at = (row: number, column: number, channel: number) => {
    const inside = Math.min(rows - 1, Math.max(0, row));
    return pixels[(inside * columns + ((column + columns) % columns)) * 3 + channel]!;
  };
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let part = 0; part < samples ** 2; part++) {
        const right = x + ((part % samples) + 0.5) / samples - width / 2;
        const low = y + (Math.floor(part / samples) + 0.5) / samples - height / 2;
        const [dx, dy, dz] = rotated(rotation, [right, low, focal]);
        const column = (Math.atan2(dx, dz) / (2 * Math.PI) + 0.5) * columns - 0.5;
        const row = (Math.atan2(dy, Math.hypot(dx, dz)) / Math.PI + 0.5) * rows - 0.5;
        const [left, top] = [Math.floor(column), Math.floor(row)];
        const [across, down] = [column - left, row - top];
        for (let c = 0; c < 3; c++) {
          const above = at(top, left, c) * (1 - across) + at(top, left + 1, c) * across;
          const below = at(top + 1, left, c) * (1 - across) + at(top + 1, left + 1, c) * across;
          out[(y * width + x) * 3 + c]! += (above * (1 - down) + below * down) / samples ** 2;
        }
      }
  return out;
}
