/**
 * The test runner's TypeScript loader resolves packages by rules of its own, which lack patterns such as `./src/*.js` in a package's
 * exports. Registered after it, this resolves what needs them.
 */
import { register } from 'node:module';

const hooks = `
export async function resolve(specifier, context, next) {
  if (!specifier.startsWith('hyparquet/src/')) return next(specifier, context);
  const folder = context.parentURL.slice(0, context.parentURL.lastIndexOf('/hyparquet-writer/'));
  return { url: folder + '/' + specifier, format: 'module', shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, import.meta.url);
