/** Runs `dinov3-seg` as it was built, in a thread of this process, which is preloaded with faulty-disk.c. */
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const entry = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export async function runCommand(argv) {
  const thread = new Worker(entry, { argv, execArgv: [], stdout: true, stderr: true });
  const [[code], , stderr] = await Promise.all([
    once(thread, 'exit'),
    text(thread.stdout),
    text(thread.stderr),
  ]);
  return { code, stderr };
}
