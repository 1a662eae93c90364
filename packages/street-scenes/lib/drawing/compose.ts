/** Puts a scene together: what stands where. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { hills, sky, skyline } from './backdrop.js';
import { railing } from './barriers.js';
import type { DrawStretch } from './buildings.js';
import { boat, passingTrain } from './carts.js';
import { chance, pick, pickWeighted } from './choose.js';
import type { Range } from './choose.js';
import { ground, laid, rain, streetShadow } from './ground.js';
import type { LaidStrip, Street } from './ground.js';
import { streetKinds } from './kinds.js';
import type { Kind } from './kind.js';
import { chooseLight } from './light.js';
import type { Light } from './light.js';
import { person } from './people.js';
import { tram } from './high-vehicles.js';
import type { DrawObject, Place } from './sketch.js';
import { crossingGate, crossingTracks, flyover, overpass } from './structures.js';
import type { Standing } from './structures.js';
import { car } from './vehicles.js';
import { View } from './view.js';
import type { Shape } from './view.js';

/** All shapes of a scene, far ones first, and what it is of. */
export interface Composition {
  readonly shapes: readonly Shape[];
  readonly light: Light;
  readonly kind: string;
}

const sides = [-1, 1] as const;
/** Metres to the last house; and to the last thing on the street, which is a few pixels high there. */
const farthest = 90;
const farthestThing = 60;

/** What a scene is composed of while it grows. */
interface Scenery {
  readonly view: View;
  readonly kind: Kind;
  readonly street: Street;
  readonly stream: RandomStream;
  /** Metres of the street that a railway takes; nothing else stands there. */
  readonly blocked: Range | null;
  readonly standing: Standing[];
}

function isFree({ blocked }: Scenery, depth: number, length = 0): boolean {
  return blocked === null || depth > blocked[1] || depth + length < blocked[0];
}

function put(scenery: Scenery, draw: DrawObject, place: Place, length = 0): void {
  if (!isFree(scenery, place.depth, length)) return;
  scenery.standing.push({ depth: place.depth, shapes: draw(scenery.view, place, scenery.stream) });
}

/** Distances from near to far: each leaves `step` × itself and `room` metres free. */
function distances({ stream, view }: Scenery, first: Range, step: Range, room: number): number[] {
  const list: number[] = [];
  for (let depth = view.nearest * stream.uniform(...first); depth < farthestThing;) {
    list.push(depth);
    depth += room + depth * stream.uniform(...step);
  }
  return list;
}

function stripsOf(street: Street, side: -1 | 1): readonly LaidStrip[] {
  return side < 0 ? street.left : street.right;
}

function traffic(scenery: Scenery): void {
  const { kind, street, stream, view } = scenery;
  for (const side of sides) {
    const toward = side < 0 !== kind.drivesOnLeft;
    const lanes = street.lanes === 2 ? [0.27, 0.75] : [0.5];
    for (const lane of lanes)
      for (const depth of distances(scenery, toward ? [1.3, 4] : [1.7, 5], kind.headway, 5)) {
        const lateral = side * street.roadHalf * lane + stream.uniform(-0.4, 0.4);
        // Nothing drives through the camera's own place.
        if (depth < 4 && Math.abs(lateral - view.lateral) < 1.6) continue;
        put(scenery, pickWeighted(stream, kind.traffic), { lateral, depth, toward, side }, 6);
      }
    if (chance(stream, kind.filtering))
      for (const depth of distances(scenery, [1.5, 3.5], kind.headway, 2.5)) {
        const lateral = side * (street.roadHalf - stream.uniform(0.4, 0.9));
        put(scenery, pickWeighted(stream, kind.riders), { lateral, depth, toward, side }, 1);
      }
    for (const strip of stripsOf(street, side)) {
      const lateral = (strip.inner + strip.outer) / 2;
      if (strip.thing === 'parking')
        for (const depth of distances(scenery, [1.2, 2.4], [0.02, 0.5], 5.4))
          put(scenery, car, { lateral, depth, toward: toward === chance(stream, 0.85), side }, 5);
      if (strip.thing === 'track' && chance(stream, 0.5))
        put(scenery, tram, { lateral, depth: stream.uniform(12, 40), toward, side }, 20);
      if (strip.thing === 'water')
        for (const depth of distances(scenery, [1.6, 3.5], [0.4, 1], 3))
          put(scenery, boat, { lateral, depth, toward, side: pick(stream, sides) });
    }
  }
  if (chance(stream, kind.jaywalker)) {
    const lateral = street.roadHalf * stream.uniform(-0.9, 0.9);
    put(scenery, person, { lateral, depth: view.nearest * stream.uniform(1.8, 5), toward: true, side: 1 });
  }
}

function roadside(scenery: Scenery): void {
  const { kind, street, stream } = scenery;
  for (const side of sides) {
    const strips = stripsOf(street, side);
    const walk = strips.find(
      ({ thing }) => thing === 'sidewalk' || thing === 'shoulder' || thing === 'verge',
    );
    if (walk === undefined) continue;
    const land = strips.findLast(
      ({ thing }) => thing === 'verge' || thing === 'sidewalk' || thing === 'shoulder',
    )!;
    const along = ({ inner, outer }: LaidStrip, t: number): number => inner + (outer - inner) * t;
    const place = (lateral: number, depth: number): Place => ({
      lateral,
      depth,
      toward: chance(stream, 0.5),
      side: pick(stream, sides),
    });
    for (const depth of distances(scenery, [1.25, 2.2], kind.crowd, 0.4))
      put(scenery, pickWeighted(stream, kind.walkers), place(along(walk, stream.uniform(0.3, 0.75)), depth));
    for (const depth of distances(scenery, [1.3, 3], kind.spacing, 2.5))
      put(scenery, pickWeighted(stream, kind.kerbside), { ...place(along(walk, 0.1), depth), side });
    for (const depth of distances(scenery, [1.4, 3], kind.spacing, 2.5))
      put(scenery, pickWeighted(stream, kind.inside), {
        ...place(along(land, stream.uniform(0.75, 1)), depth),
        side,
      });
  }
}

/** Walls, houses and rails along a line, from near to far. */
function alongLine(scenery: Scenery, lateral: number, length: Range, choose: () => DrawStretch): void {
  const { view, stream } = scenery;
  for (let near = view.nearest * stream.uniform(0.5, 0.9); near < farthest;) {
    const far = near + stream.uniform(...length) * (1 + near / 60);
    if (isFree(scenery, near, far - near))
      scenery.standing.push({ depth: far, shapes: choose()(view, { lateral, near, far }, stream) });
    near = far + 0.05;
  }
}

function rows(scenery: Scenery): void {
  const { kind, street, stream } = scenery;
  for (const side of sides) {
    const strips = stripsOf(street, side);
    const outer = strips.at(-1)!.outer + side * stream.uniform(0, 0.8);
    alongLine(scenery, outer, kind.rowLength, () => pickWeighted(stream, kind.rows));
    const [edge, often] = kind.edge;
    if (chance(stream, often)) {
      const first = strips[0]!;
      const lateral = first.thing === 'shoulder' ? first.outer : first.inner + side * 0.4;
      alongLine(scenery, lateral, [7, 9], () => edge);
    }
    for (const { thing, inner } of strips)
      if (thing === 'water') alongLine(scenery, inner, [7, 9], () => railing);
  }
}

function layStreet(kind: Kind, stream: RandomStream): Street {
  const roadHalf = stream.uniform(...kind.roadHalf);
  return {
    roadHalf,
    lanes: roadHalf > 4 && chance(stream, kind.wide) ? 2 : 1,
    zebra: kind.jaywalker > 0 && chance(stream, 0.3),
    left: laid(kind.strips(stream), roadHalf, -1),
    right: laid(kind.strips(stream), roadHalf, 1),
  };
}

function placeCamera(kind: Kind, street: Street, stream: RandomStream): number {
  const own = kind.drivesOnLeft ? -1 : 1;
  const lane = own * street.roadHalf * (street.lanes === 2 ? pick(stream, [0.27, 0.75]) : 0.5);
  return chance(stream, 0.12) ? own * (street.roadHalf + 0.6) : lane + stream.uniform(-0.4, 0.4);
}

/** Lays a railway across the street: its own land beside the road, and rails in the road. */
function railway(scenery: Scenery, floor: readonly Shape[]): Shape[] {
  const { view, street, stream, blocked } = scenery;
  const [near, far] = blocked!;
  const { land, lines } = crossingTracks(view, near + 1, far - 1);
  const closed = chance(stream, 0.6);
  for (const side of sides)
    scenery.standing.push(crossingGate(view, near - 0.5, side, street.roadHalf, closed, stream));
  if (closed && chance(stream, 0.7)) {
    const lateral = stream.uniform(-4, 30) * pick(stream, sides);
    const place: Place = { lateral, depth: far - 2.5, toward: true, side: lateral < 0 ? -1 : 1 };
    scenery.standing.push({ depth: place.depth, shapes: passingTrain(view, place, stream) });
  }
  const road = floor.at(-1)!;
  return [...floor.slice(0, -1), land, { ...road, details: road.details! + lines }];
}

/** Composes a scene in a picture that is `width` units wide. */
export function composeScene(width: number, stream: RandomStream): Composition {
  const kind = pickWeighted(stream, streetKinds);
  const street = layStreet(kind, stream);
  const light = chooseLight(stream);
  const view = new View(
    width,
    light,
    { lateral: placeCamera(kind, street, stream), bend: kind.bend },
    stream,
  );
  const across = chance(stream, kind.crossing) ? stream.uniform(7, 20) : null;
  const blocked: Range | null = across === null ? null : [across, across + (chance(stream, 0.5) ? 6 : 10)];
  const scenery: Scenery = { view, kind, street, stream, blocked, standing: [] };
  const land = ground(view, street, kind.base, stream);
  const floor = blocked ? railway(scenery, land) : land;
  rows(scenery);
  traffic(scenery);
  roadside(scenery);
  const outer = Math.max(...[street.left, street.right].map((strips) => Math.abs(strips[0]!.outer)));
  if (chance(stream, kind.overpass))
    scenery.standing.push(overpass(view, stream.uniform(12, 40), outer + 0.8, stream));
  else if (chance(stream, kind.flyover)) {
    const at = pick(stream, sides) * street.roadHalf;
    scenery.standing.push(...flyover(view, at - 3.2, at + 3.2, view.nearest * 2, stream));
  }
  const shapes = [
    sky(view, stream),
    ...(chance(stream, kind.hills) ? [hills(view, stream)] : []),
    ...skyline(view, kind.skyline, stream),
    ...floor,
    ...streetShadow(view, street, stream),
    ...scenery.standing.sort((a, b) => b.depth - a.depth).flatMap((one) => one.shapes),
    ...rain(view, stream),
  ];
  return { shapes, light, kind: kind.name };
}
