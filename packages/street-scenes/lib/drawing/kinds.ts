/** The kinds of street that are drawn. */
import type { Weighted } from './choose.js';
import type { Kind } from './kind.js';
import { europeanCity, europeanSuburb, highway } from './kinds-europe.js';
import { indianCity, indianRoad } from './kinds-india.js';

/** The same land with a line across the road, which would be too rare to be learned otherwise. */
function withCrossing(kind: Kind): Kind {
  return { ...kind, name: `railway crossing, ${kind.name}`, bend: 0, overpass: 0, crossing: 1 };
}

/** The kinds of street with how often each is drawn, relative to the others. */
export const streetKinds: Weighted<Kind> = [
  [indianCity, 3],
  [indianRoad, 2.4],
  [europeanCity, 2.6],
  [europeanSuburb, 2],
  [highway, 1.7],
  [withCrossing(indianRoad), 0.7],
  [withCrossing(europeanSuburb), 0.7],
];
