// After this import, `import()` takes the TypeScript of this workspace and of the product, compiled as it is read.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
