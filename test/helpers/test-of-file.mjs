/**
 * Where several test files share a process, `import t from 'tap'` gives each the subtest that stands for it instead of the root:
 * its folders, its set-up and its failures stay its own.
 */
const helpers = new URL('./', import.meta.url).href;
const tests = new URL('../', import.meta.url).href;

export async function resolve(specifier, context, next) {
  const { parentURL = '' } = context;
  if (specifier !== 'tap' || !parentURL.startsWith(tests) || parentURL.startsWith(helpers))
    return next(specifier, context);
  return {
    url: `${helpers}tap-of-file.mjs?${parentURL.slice(tests.length)}`,
    format: 'module',
    shortCircuit: true,
  };
}
