/** Other work on the machine, for benches of what happens beside it. */
import { spawn } from 'node:child_process';

/** Processes that do nothing but compute, until this one ends. */
export function startBusyLoops(count) {
  const loops = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  process.on('exit', () => loops.forEach((loop) => loop.kill('SIGKILL')));
}
