/**
 * Imported before the package, lets it load where sharp is not installed (a machine that has no registry): decoding an image file then
 * fails, and images are given as pixels. Where sharp is installed, this changes nothing.
 */
import { register } from 'node:module';

const stub = `
  const refuse = () => { throw new Error('sharp is not installed on this machine: give images as pixels'); };
  export default Object.assign(refuse, { concurrency() {}, cache() {}, format: { heif: { input: {} } } });`;
const hooks = `
  const stub = 'data:text/javascript,${encodeURIComponent(stub)}';
  export const resolve = (name, context, next) =>
    name === 'sharp' ? { url: stub, shortCircuit: true } : next(name, context);`;

/** Whether image files can be decoded. */
export const hasCodec = await import('sharp').then(
  () => true,
  (error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    register(`data:text/javascript,${encodeURIComponent(hooks)}`);
    return false;
  },
);
