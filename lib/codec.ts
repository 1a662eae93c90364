/** The codec library, imported here alone: its settings are the process's. */
import sharp, { type Metadata, type Sharp } from 'sharp';

// Images are decoded several at a time on Node's own pool: more threads inside each would take the
// processor from libtorch, and nothing is decoded twice in a row that a cache could serve.
sharp.concurrency(1);
sharp.cache(false);

/** Whether its libvips decodes HEIC: the prebuilt one does not, one of the system with libde265 does. */
export const readsHeic: boolean = sharp.format.heif.input.fileSuffix?.includes('.heic') ?? false;

export { sharp, type Metadata, type Sharp };
