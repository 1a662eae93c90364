/** Where the package's own files are. A bundle lacks them, and says so before anything else of the package runs. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DinoSegError } from './errors.js';

const ownName = 'dinov3-seg';

/**
 * The folder of the package, from the URL of a module in its `dist`. In an Electron app it is the unpacked one beside the
 * archive, if there is one: the system's loader cannot read archives.
 *
 * @param module undefined where a bundler drops `import.meta.url`
 * @throws DinoSegError ADDON if the module has been copied out of the package, into a bundle.
 */
export function packageRootOf(module: string | undefined): string {
  const file = module?.startsWith('file:') ? fileURLToPath(module) : undefined;
  const root = file && join(file, '../..');
  if (root === undefined || nameIn(join(root, 'package.json')) !== ownName)
    throw new DinoSegError(
      'ADDON',
      `${ownName} is part of a bundle${file === undefined ? '' : ` (${file})`}, where its native libraries and other files ` +
        `are missing. Exclude it from the bundle and install it beside it: esbuild --external:${ownName}, Next.js ` +
        `serverExternalPackages: ['${ownName}'], Rollup and Vite external: ['${ownName}'] (docs/install.md).`,
    );
  const unpacked = root.replace(/\.asar(?=[\\/])/, '$&.unpacked');
  return existsSync(unpacked) ? unpacked : root;
}

/** The name in a package's manifest; undefined where there is none. */
function nameIn(manifest: string): unknown {
  return existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name
    : undefined;
}

/** The folder of this package. */
export const packageRoot = packageRootOf(import.meta.url);
