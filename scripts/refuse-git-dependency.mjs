// Runs after `npm install` and `npm ci` in the repository itself, never for those who install the packed package. npm
// prepares a git dependency in a folder of its cache with `npm install`, and would then install it without dist/ and
// without binaries.
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = process.env.npm_config_cache;
if (cache && fileURLToPath(import.meta.url).startsWith(cache + sep)) {
  console.error(
    'dinov3-seg cannot be installed from its git repository, which contains no compiled files. Clone it, run ' +
      '`npm run setup`, `npm run prebuild` and `npm pack` in the clone, and install the resulting .tgz file.',
  );
  process.exit(1);
}
