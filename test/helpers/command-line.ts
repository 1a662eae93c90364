import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

const entry = join(import.meta.dirname, '../../dist/cli/main.js');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A started command and its end. */
export interface Started {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** Starts any program, its output gathered. */
export function startProgram(program: string, args: string[], env: Record<string, string> = {}): Started {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

/** Starts `dinov3-seg` as it was built. */
export function startCommand(args: string[], env: Record<string, string> = {}): Started {
  return startProgram(process.execPath, [entry, ...args], env);
}

/** Runs `dinov3-seg` as it was built. */
export async function runCommand(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return startCommand(args, env).ended;
}
