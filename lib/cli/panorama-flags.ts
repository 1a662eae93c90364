/** Flags for images that are panoramas. */
import type { PanoramaOptions } from '../model/panorama.js';
import { withoutUndefined } from '../without-undefined.js';
import { UsageError, type Flags, type FlagValues } from './parse.js';

export const panoramaFlags = {
  panorama: {
    type: 'boolean',
    help: 'the images are equirectangular panoramas (360° × 180°): use perspective views of them',
  },
  'panorama-views': { type: 'integer', least: 1, value: 'N', help: 'views around a panorama (default 4)' },
  'panorama-degrees': {
    type: 'number',
    above: 0,
    below: 180,
    value: 'X',
    help: 'degrees that a view shows across (default 90)',
  },
  'panorama-yaw': {
    type: 'number',
    value: 'X',
    help: "degrees from the panorama's middle to the middle of the first view, to the right (default 0)",
  },
  'panorama-pitch': {
    type: 'number',
    least: -90,
    most: 90,
    value: 'X',
    help: 'degrees that the views look above the horizon (default 0)',
  },
  'panorama-size': {
    type: 'integer',
    least: 1,
    value: 'N',
    help: "width and height of a view in pixels (default: a quarter of the panorama's width, max 1024)",
  },
} as const satisfies Flags;

/** What the flags ask for; undefined without --panorama. @throws UsageError for another flag without it */
export function panoramaOf(flags: FlagValues<typeof panoramaFlags>): PanoramaOptions | undefined {
  const {
    'panorama-views': views,
    'panorama-degrees': degrees,
    'panorama-yaw': yaw,
    'panorama-pitch': pitch,
    'panorama-size': size,
  } = flags;
  const options = withoutUndefined({ views, degrees, yaw, pitch, size });
  if (flags.panorama) return options;
  const [first] = Object.keys(options);
  if (first !== undefined) throw new UsageError(`--panorama-${first} needs --panorama.`);
  return undefined;
}
