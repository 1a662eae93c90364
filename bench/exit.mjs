/**
 * Processes that end with jobs in flight in the main thread and a worker_thread: `node bench/exit.mjs [RUNS] [LOOPS] [WAY…]`, 200
 * of each way, by default of all: process.exit (`exit`), an uncaught error (`throw`), SIGTERM (default and `handled`) and
 * terminate() of the worker, beside LOOPS busy loops (0).
 * Nothing may crash or hang, and codes must be as expected.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startBusyLoops } from './busy-loops.mjs';
import { setting, summary, writeNetwork } from './network.mjs';

const [runs = 200, loops = 0] = process.argv.slice(2, 4).map(Number);
const ways = process.argv.slice(4);
const script = fileURLToPath(new URL('../test/helpers/busy-process.mjs', import.meta.url));
const { model } = await writeNetwork();
setting(`${runs} runs each, two at a time, ${loops} busy loops beside; jobs of 256 × 256`);
startBusyLoops(loops);

const expected = { exit: 3, throw: 1, SIGTERM: 'SIGTERM', handled: 5, terminate: 4 };

/** How one process ended, and milliseconds from its being asked to the end. */
function end(way, delay) {
  const child = spawn(process.execPath, [script, way, model, String(delay)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let asked = 0;
  child.stdout.once('data', () => {
    asked = performance.now() + delay;
    if (way === 'SIGTERM' || way === 'handled') setTimeout(() => child.kill('SIGTERM'), delay);
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ outcome: signal ?? code, milliseconds: performance.now() - asked });
    });
  });
}

let wrong = 0;
for (const [way, code] of Object.entries(expected)) {
  if (ways.length > 0 && !ways.includes(way)) continue;
  const outcomes = {};
  const times = [];
  let next = 0;
  const lane = async () => {
    while (next < runs) {
      const { outcome, milliseconds } = await end(way, (next++ * 7) % 60);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      times.push(milliseconds);
      if (outcome !== code) wrong++;
    }
  };
  await Promise.all([lane(), lane()]);
  console.log(`${way.padEnd(10)} ${JSON.stringify(outcomes)}, to the end: ${summary(times, 'ms', 0)}`);
}
process.exit(wrong === 0 ? 0 : 1);
