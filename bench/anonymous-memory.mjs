/** The process's anonymous memory: what no file stands behind, so that it can only be swapped out. Linux. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes of a line of /proc/self/status. */
export function statusBytes(field) {
  const line = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'));
  return Number(line[1]) * 1024;
}

/** Runs `work`; gives its seconds, and the anonymous memory at its start and at its peak, looked at every 5 ms. */
export async function watchMemory(work) {
  const before = statusBytes('RssAnon');
  let peak = before;
  let running = true;
  const look = async () => {
    while (running) {
      peak = Math.max(peak, statusBytes('RssAnon'));
      await sleep(5);
    }
  };
  const looking = look();
  const started = performance.now();
  try {
    await work();
  } finally {
    running = false;
  }
  const seconds = (performance.now() - started) / 1000;
  await looking;
  return { seconds, before, peak };
}
