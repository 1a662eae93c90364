/** The example server as a process of its own, and clients of it. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { startProgram, type Ended } from './command-line.js';
import type { ExampleFiles } from './example-files.js';

export interface Health {
  devices: string[];
  uploading: number;
  uploadBytes: number;
  running: number;
  waiting: number;
  done: number;
  cancelled: number;
  refused: number;
}

export interface Server {
  url: string;
  port: number;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
  health(): Promise<Health>;
  /** Values of GET /metrics, by name and labels as they stand there. */
  metrics(): Promise<Record<string, number>>;
}

export const serverScript = resolve(import.meta.dirname, '../../examples/fastify-server/server.mjs');

export async function startServer(
  t: Test,
  files: ExampleFiles,
  env: Record<string, string> = {},
  device = 'cpu',
): Promise<Server> {
  const args = [serverScript, '--device', device, files.model, files.head];
  const { child, ended } = startProgram(process.execPath, args, {
    PORT: '0',
    // No request may fail because the machine is slow.
    UPLOAD_SECONDS: '86400',
    GRACE_SECONDS: '86400',
    ...env,
  });
  t.teardown(() => child.kill('SIGKILL'));
  const first = once(child.stdout!, 'data') as Promise<[string]>;
  const [line] = await Promise.race([first, ended.then(({ stderr }): [string] => [stderr])]);
  const url = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
  if (url === undefined) throw new Error(`the server says ${line}`);
  const health = async () => (await (await fetch(`${url}/health`)).json()) as Health;
  const metrics = async () => readMetrics(await (await fetch(`${url}/metrics`)).text());
  return {
    url,
    port: Number(new URL(url).port),
    kill: (signal) => child.kill(signal),
    ended,
    health,
    metrics,
  };
}

function readMetrics(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

export function upload(bytes: Uint8Array, name = 'file'): { method: string; body: FormData } {
  const body = new FormData();
  body.append(name, new Blob([Uint8Array.from(bytes)]), 'street.png');
  return { method: 'POST', body };
}

/** Waits for a state of the server that must come. Rejects where the server ends before. */
export async function until(server: Server, reached: (health: Health) => boolean): Promise<Health> {
  for (;;) {
    const health = await server.health();
    if (reached(health)) return health;
    await sleep(10);
  }
}

/** Waits until the server takes no more connections. */
export async function untilRefused({ port }: Server): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const error = await once(socket, 'connect').catch((error: NodeJS.ErrnoException) => error);
    socket.destroy();
    if (error instanceof Error && error.code === 'ECONNREFUSED') return;
    await sleep(10);
  }
}

/** Starts an upload and sends only the first half; `finish` sends the rest and gives the answer. */
export function halfUpload(server: Server, scene: Buffer) {
  const start = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n';
  const body = Buffer.concat([Buffer.from(start), scene, Buffer.from('\r\n--b--\r\n')]);
  const outgoing = httpRequest(`${server.url}/segment`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b', 'content-length': body.length },
  });
  /** What comes without the second half: an answer's status, or the code of the error. */
  const ended = new Promise<number | string | undefined>((resolve) => {
    outgoing.on('response', ({ statusCode }) => resolve(statusCode));
    outgoing.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
  });
  outgoing.write(body.subarray(0, body.length / 2));
  const finish = async () => {
    outgoing.end(body.subarray(body.length / 2));
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks = await response.toArray();
    return { status: response.statusCode, body: Buffer.concat(chunks as Buffer[]).toString() };
  };
  return { leave: () => outgoing.destroy(), finish, ended };
}
