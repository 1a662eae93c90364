/** The pages that people read, below the repository's root. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** @param {string} root @returns {string[]} */
export function pagesOf(root) {
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'],
    ...docs.sort().map((name) => `docs/${name}`),
    ...['examples/README.md', 'packages/street-scenes/README.md', 'packages/street-scenes/pretraining.md'],
  ];
}
