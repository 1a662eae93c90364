/** Runs doctor's child process; its crash or silence is a result. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the child says of a step. */
export interface ProbeLine {
  name: string;
  /** `note`: it works, but not as well as it could. */
  state: 'started' | 'ok' | 'note' | 'failed';
  detail?: string;
  /** What to do about it, of a note. */
  advice?: string;
}

export interface ProbeResult {
  /** Steps that ended, in order. */
  steps: ProbeLine[];
  /** How it failed: during which step, and by a signal, an exit code or the time limit. */
  broken?: { during: string; signal?: string; problem: string; output: string };
}

const mostOutput = 4000;

/**
 * @param seconds how long it may take altogether
 * @param program the child's file; another one for tests
 * @param expired aborted when that time is over; another one for tests
 */
export function runProbe(
  arguments_: string[],
  seconds: number,
  program = fileURLToPath(new URL('./probe.js', import.meta.url)),
  expired = AbortSignal.timeout(1000 * seconds),
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...arguments_], { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: ProbeLine[] = [];
    let rest = '';
    let output = '';
    let timedOut = false;
    const stop = () => {
      timedOut = true;
      child.kill('SIGKILL');
    };
    expired.addEventListener('abort', stop);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop()!;
      lines.push(...parts.flatMap(parseLine));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-mostOutput);
    });
    const ended = (problem: string, signal?: string) => {
      expired.removeEventListener('abort', stop);
      const steps = lines.filter(({ name, state }) => state !== 'started' && name !== 'end');
      if (lines.at(-1)?.name === 'end') return resolve({ steps });
      const last = lines.at(-1);
      const during = last?.state === 'started' ? last.name : last ? `after ${last.name}` : 'start';
      resolve({ steps, broken: { during, problem, output: output.trim(), ...(signal && { signal }) } });
    };
    child.on('error', (error) => ended(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => {
      if (timedOut) ended(`did not respond within ${seconds} s`);
      else if (signal) ended(`crashed with ${signal}`, signal);
      else ended(`ended early with exit code ${code}`);
    });
  });
}

function parseLine(text: string): ProbeLine[] {
  try {
    const line = JSON.parse(text) as Partial<ProbeLine> | null;
    return typeof line?.name === 'string' && typeof line.state === 'string' ? [line as ProbeLine] : [];
  } catch {
    // Libraries may print to stdout as well.
    return [];
  }
}
