/** Converts to bfloat16; prints by how many bytes the process's anonymous memory grew at most. */
import { watchMemory } from '../../bench/anonymous-memory.mjs';
import { convert } from '../../dist/index.js';
import { engine } from '../../dist/native/engine.js';

const [backbone, head, out, small] = process.argv.slice(2);
engine();
// Once before it is measured: what the libraries set up for themselves.
await convert({ backbone: `${small}/backbone.safetensors`, head: `${small}/head.safetensors`, out });
const settings = { backbone, head, out, dtype: 'bfloat16', attentionHeads: 4 };
const { before, peak } = await watchMemory(() => convert(settings));
process.stdout.write(String(peak - before));
