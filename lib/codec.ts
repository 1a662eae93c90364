/** The codec library, imported here alone: its settings are the process's. */
import sharp, { type Metadata, type Sharp } from 'sharp';
import { ownProcess } from './own-process.js';

// Images are decoded several at a time on Node's own pool: more threads inside each would take the
// processor from libtorch, and nothing is decoded twice in a row that a cache could serve.
sharp.concurrency(1);
sharp.cache(false);

/** What decodes the formats of photographs, and SVG for this package's own drawings (renderSvg). */
const loaders = ['Jpeg', 'Uhdr', 'Png', 'Webp', 'Tiff', 'Nsgif', 'Heif', 'Svg'];

// What a file is, is decided before the codec sees it (images/image-kinds.ts). That it could not load anything else is a second lock.
// It is the process's, and another program may need those formats: it is for the command line alone.
if (ownProcess.isOurs) {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: loaders.map((name) => `VipsForeignLoad${name}`) });
}

/** Whether its libvips decodes HEIC: the prebuilt one does not, one of the system with libde265 does. */
export const readsHeic: boolean = sharp.format.heif.input.fileSuffix?.includes('.heic') ?? false;

export { sharp, type Metadata, type Sharp };
