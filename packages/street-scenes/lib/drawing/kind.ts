/** What makes a kind of street. */
import type { RandomStream } from '../../../../lib/data/random.js';
import type { Distant } from './backdrop.js';
import type { DrawStretch } from './buildings.js';
import type { Range, Weighted } from './choose.js';
import type { Strip, StripThing } from './ground.js';
import type { DrawObject } from './sketch.js';

/** A kind of street. Lengths are metres, chances 0…1. */
export interface Kind {
  readonly name: string;
  readonly drivesOnLeft: boolean;
  readonly roadHalf: Range;
  /** How often the road has two lanes in each direction. */
  readonly wide: number;
  /** How far the road bends in the distance, units. */
  readonly bend: number;
  /** What the ground is where no strip lies. */
  readonly base: StripThing;
  /** The ground beside the road on one side, from the road outward. */
  readonly strips: (stream: RandomStream) => Strip[];
  /** What runs along the outermost strip. */
  readonly rows: Weighted<DrawStretch>;
  readonly rowLength: Range;
  /** What runs along the edge of the road, on each side with this chance. */
  readonly edge: readonly [DrawStretch, number];
  readonly skyline: Weighted<Distant>;
  readonly hills: number;
  readonly traffic: Weighted<DrawObject>;
  /** Free road before the next vehicle, as a share of the distance from the camera. */
  readonly headway: Range;
  /** Who rides along the edge of the road, and how often someone does, on each side. */
  readonly riders: Weighted<DrawObject>;
  readonly filtering: number;
  readonly walkers: Weighted<DrawObject>;
  /** The same between those on foot. */
  readonly crowd: Range;
  /** What stands near the road, and what stands at the far end of the strips. */
  readonly kerbside: Weighted<DrawObject>;
  readonly inside: Weighted<DrawObject>;
  readonly spacing: Range;
  /** Chance of a bridge across, of a road on piers overhead, of a level crossing, and of someone on the road. */
  readonly overpass: number;
  readonly flyover: number;
  readonly crossing: number;
  readonly jaywalker: number;
}

/** A house behind a hedge, fence or wall. */
export function behind(front: DrawStretch, house: DrawStretch): DrawStretch {
  return (view, stretch, stream) => [...house(view, stretch, stream), ...front(view, stretch, stream)];
}

/** A strip of a random width, metres. */
export function strip(thing: StripThing, stream: RandomStream, low: number, high = low): Strip {
  return { thing, width: stream.uniform(low, high) };
}
