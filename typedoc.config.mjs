/** The API reference: `npm run docs` writes docs/api, `npm run docs:check` refuses exports that are not documented. */
import { readFileSync } from 'node:fs';

const errors = readFileSync(new URL('lib/errors.ts', import.meta.url), 'utf8');

/** @type {import('typedoc').TypeDocOptions & import('typedoc-plugin-markdown').PluginOptions} */
export default {
  entryPoints: ['lib/index.ts'],
  tsconfig: 'tsconfig.json',
  plugin: ['typedoc-plugin-markdown'],
  out: 'docs/api',
  name: 'dinov3-seg',
  readme: 'none',
  // Line numbers would change the reference with every line of the sources.
  disableSources: true,
  disableGit: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  hidePageHeader: true,
  githubPages: false,
  parametersFormat: 'list',
  requiredToBeDocumented: [
    'Variable',
    'Function',
    'Class',
    'Interface',
    'Property',
    'Method',
    'Accessor',
    'TypeAlias',
    'Constructor',
  ],
  // What these say is their value.
  intentionallyNotDocumented: [...errors.matchAll(/^ {2}([A-Z_]+):/gm)].map(
    ([, code]) => `errorCodes.__type.${code}`,
  ),
  // What heads see of a SegmentationModel, whose file imports theirs: nobody but that class can be one.
  intentionallyNotExported: ['HeadNetwork', 'ProbeNetwork'],
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};
