/** Inspects a file; prints what came of it, and by how many bytes the process's anonymous memory grew at most. */
import { watchMemory } from '../../bench/anonymous-memory.mjs';
import { inspect } from '../../dist/index.js';

const [file, small] = process.argv.slice(2);
// Once before it is measured: what the libraries set up for themselves.
await inspect(small);
const outcome = { code: 'read', message: '' };
const { before, peak } = await watchMemory(async () => {
  try {
    await inspect(file);
  } catch ({ code, message }) {
    Object.assign(outcome, { code, message });
  }
});
process.stdout.write(JSON.stringify({ ...outcome, grown: peak - before }));
