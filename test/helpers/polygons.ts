/** Rasters that share nothing with the package's, pixel by pixel; and an annotation with everything in it. */

export type Point = readonly [x: number, y: number];

export interface Drawn {
  polygon: readonly Point[];
  value: number;
}

export interface Size {
  width: number;
  height: number;
}

type Edge = readonly [Point, Point];

function edgesOf(polygon: readonly Point[]): Edge[] {
  return polygon.map((corner, i) => [corner, polygon[(i + 1) % polygon.length]!] as const);
}

/** Even-odd, by a ray to the right; what lies on an edge may be either. */
export function isInside([x, y]: Point, polygon: readonly Point[]): boolean {
  let inside = false;
  for (const [[ax, ay], [bx, by]] of edgesOf(polygon))
    if (ay > y !== by > y && x < ax + ((y - ay) * (bx - ax)) / (by - ay)) inside = !inside;
  return inside;
}

/** Whether an edge meets row y between x − ½ and x + ½, both left out. Corners are whole numbers: no rounding. */
function meets([[ax, ay], [bx, by]]: Edge, x: number, y: number): boolean {
  if (y < Math.min(ay, by) || y > Math.max(ay, by)) return false;
  if (ay === by) return x >= Math.min(ax, bx) && x <= Math.max(ax, bx);
  const rise = Math.abs(by - ay);
  const at = ax * rise + (y - ay) * (bx - ax) * Math.sign(by - ay); // x of the edge times its rise
  return 2 * at > (2 * x - 1) * rise && 2 * at < (2 * x + 1) * rise;
}

/** The rule of cpp/core/polygon_raster.h, asked of every pixel by itself. */
function belongs(x: number, y: number, polygon: readonly Point[]): boolean {
  return edgesOf(polygon).some((edge) => meets(edge, x, y)) || isInside([x, y], polygon);
}

function paint(
  drawn: readonly Drawn[],
  { width, height }: Size,
  has: (x: number, y: number, i: number) => boolean,
): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let i = drawn.length - 1; i >= 0; i--) if (has(x, y, i)) return drawn[i]!.value;
    return 255;
  });
}

/** By the package's rule. */
export function referenceRaster(drawn: readonly Drawn[], size: Size): Uint8Array {
  const whole = drawn.map(({ polygon }) => polygon.map(([x, y]) => [Math.trunc(x), Math.trunc(y)] as const));
  return paint(drawn, size, (x, y, i) => belongs(x, y, whole[i]!));
}

/** By the textbook: a pixel is inside where its centre (x + ½, y + ½) is, corners as they are. */
export function plainRaster(drawn: readonly Drawn[], size: Size): Uint8Array {
  return paint(drawn, size, (x, y, i) => isInside([x + 0.5, y + 0.5], drawn[i]!.polygon));
}

/** Pixels from the centre of a pixel to the nearest edge. */
export function distanceToEdges(x: number, y: number, drawn: readonly Drawn[]): number {
  const [px, py] = [x + 0.5, y + 0.5];
  const distances = drawn.flatMap(({ polygon }) =>
    edgesOf(polygon).map(([[ax, ay], [bx, by]]) => {
      const length = (bx - ax) ** 2 + (by - ay) ** 2;
      const along = length === 0 ? 0 : ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length;
      const t = Math.max(0, Math.min(1, along));
      return Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay));
    }),
  );
  return Math.min(...distances);
}

/** IDD's 40 names in the order of their raw ids, with their level-3 classes: section "26 classes" of the recipe. */
export const iddLabels: readonly (readonly [name: string, level3: number])[] = [
  ['road', 0],
  ['parking', 1],
  ['drivable fallback', 1],
  ['sidewalk', 2],
  ['rail track', 3],
  ['non-drivable fallback', 3],
  ['person', 4],
  ['animal', 4],
  ['rider', 5],
  ['motorcycle', 6],
  ['bicycle', 7],
  ['autorickshaw', 8],
  ['car', 9],
  ['truck', 10],
  ['bus', 11],
  ['caravan', 12],
  ['trailer', 12],
  ['train', 12],
  ['vehicle fallback', 12],
  ['curb', 13],
  ['wall', 14],
  ['fence', 15],
  ['guard rail', 16],
  ['billboard', 17],
  ['traffic sign', 18],
  ['traffic light', 19],
  ['pole', 20],
  ['polegroup', 20],
  ['obs-str-bar-fallback', 21],
  ['building', 22],
  ['bridge', 23],
  ['tunnel', 23],
  ['vegetation', 24],
  ['sky', 25],
  ['fallback background', 25],
  ['unlabeled', 255],
  ['ego vehicle', 255],
  ['rectification border', 255],
  ['out of roi', 255],
  ['license plate', 255],
];

export interface HandMade extends Size {
  /** As a file of IDD holds it. */
  annotation: { imgHeight: number; imgWidth: number; objects: Record<string, unknown>[] };
  /** The polygons that count, with the classes that they should have. */
  drawn: Drawn[];
}

/**
 * Every name once in a field of its own, over a street that goes out of the image; groups, things that overlap, a hole by
 * order, a self-intersecting outline, lines and points (which are skipped), and deleted objects. Corners are whole numbers and fractions.
 */
export function handMade(): HandMade {
  const [width, height] = [200, 150];
  const drawn: Drawn[] = [];
  const objects: Record<string, unknown>[] = [];
  const extras = { draw: true, id: 7, user: 'someone', verified: 0, date: '01-Jan-2018 00:00:00' };
  const add = (label: string, value: number, polygon: Point[], more: object = { deleted: 0 }) => {
    objects.push({ label, polygon, ...extras, ...more });
    if (polygon.length >= 3) drawn.push({ polygon, value });
  };
  const deleted = (object: Record<string, unknown>) => objects.push({ ...extras, ...object });
  add('sky', 25, [[-40, -30], [240.5, -30], [240.5, 60.25], [-40, 52]]); // prettier-ignore
  add('road', 0, [[-5e5, 150], [100, 40.75], [9e5, 150.5], [100, 4000]], {}); // prettier-ignore
  for (const [i, [name, level3]] of iddLabels.entries()) {
    const [x, y] = [5 + 19 * (i % 10), 4 + 17 * Math.floor(i / 10)];
    // A pentagon whose shape is different for each name.
    const corner = (dx: number, dy: number): Point => [x + dx + (i % 7) / 7, y + dy + (i % 3) / 3];
    add(name, level3, [corner(0, 3), corner(9, 0), corner(16, 5), corner(12, 14), corner(3, 13)]);
  }
  add('cargroup', 9, [[10, 80], [70, 80], [70, 110], [10, 110]], { deleted: false }); // prettier-ignore
  add('traffic signgroup', 18, [[20, 85], [60, 85], [60, 105], [20, 105]]); // prettier-ignore
  // A hole: what shows through a bus's window is drawn over it.
  add('bus', 11, [[80, 78], [140.9, 80.2], [139, 120], [82, 118]]); // prettier-ignore
  add('vegetation', 24, [[95, 88], [125.5, 89.5], [124, 108], [96, 107]]); // prettier-ignore
  add('persongroup', 4, [[110, 70], [130, 130], [95, 92], [140, 92], [100, 130]]); // prettier-ignore
  add('pole', 20, [
    [150, 60],
    [153, 60],
    [153, 149],
    [150, 149],
  ]);
  add('fence', 15, [[-10, 140], [60, 122]]); // prettier-ignore
  add('curb', 13, [[170, 100], [190, 100]]); // prettier-ignore
  add('traffic light', 19, [[180.9, 120.9]]);
  add('guard rail', 16, [[199, 149], [230, 149], [230, 200], [199, 200]]); // prettier-ignore
  add('billboard', 17, [
    [250, 10],
    [300, 10],
    [300, 50],
  ]);
  const all: Point[] = [[0, 0], [width, 0], [width, height], [0, height]]; // prettier-ignore
  deleted({ label: 'truck', polygon: all, deleted: 1 });
  deleted({ label: 'truck', polygon: all, deleted: true });
  deleted({ label: 'no such thing', polygon: 'nothing', deleted: 1 });
  return { width, height, drawn, annotation: { imgHeight: height, imgWidth: width, objects } };
}
