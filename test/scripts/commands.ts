import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

interface Log {
  path: string;
  write(line: string): void;
}
type Options = { log: Log; signal?: AbortSignal; onLine?: (line: string) => void };
const { Log, Stopped, decisiveLines, runLogged } = (await import(
  join(import.meta.dirname, '../../scripts/setup/commands.mjs')
)) as {
  Log: new (path: string) => Log;
  Stopped: new (signal: string) => Error & { exitCode: number };
  decisiveLines: (lines: string[]) => string[];
  runLogged: (command: string, args: string[], options: Options) => Promise<void>;
};

const newLog = (t: Test) => new Log(join(t.testdir(), 'below/setup.log'));

t.test('what a program prints goes to the log, line by line', async (t) => {
  const log = newLog(t);
  const heard: string[] = [];
  await runLogged('sh', ['-c', 'echo out; echo err >&2; printf last'], {
    log,
    onLine: (line) => heard.push(line),
  });
  const text = readFileSync(log.path, 'utf8');
  t.match(text, /^\n\$ sh -c echo out/);
  for (const line of ['out', 'err', 'last']) {
    t.ok(heard.includes(line));
    t.ok(text.split('\n').includes(line));
  }
});

t.test('a program that fails or is not there is an error with its decisive lines', async (t) => {
  const log = newLog(t);
  const failing = runLogged('sh', ['-c', 'seq 100; echo "x.cpp:1:2: error: no such thing"; exit 3'], { log });
  await t.rejects(failing, {
    message: 'sh failed (exit code 3)',
    lines: ['x.cpp:1:2: error: no such thing'],
  });
  await t.rejects(runLogged('sh', ['-c', 'kill -9 $$'], { log }), {
    message: 'sh failed (killed by SIGKILL)',
  });
  await t.rejects(runLogged('/nowhere/npm', ['ci'], { log }), { message: 'npm ci failed (not found)' });
});

t.test('a stop reaches what the program started, too, and its end is waited for', async (t) => {
  const log = newLog(t);
  const controller = new AbortController();
  // The inner program ends its work before it goes, as ninja does.
  const inner = 'trap "echo inner ended; exit 1" TERM; echo ready; while :; do sleep 0.01; done';
  const running = runLogged('sh', ['-c', `sh -c '${inner}'; true`], {
    log,
    signal: controller.signal,
    onLine: (line) => line === 'ready' && controller.abort(new Stopped('SIGTERM')),
  });
  await t.rejects(running, { message: 'stopped by SIGTERM', exitCode: 143 });
  t.match(readFileSync(log.path, 'utf8'), 'inner ended');
  const never = runLogged('sh', ['-c', 'echo started'], { log, signal: controller.signal });
  await t.rejects(never, { message: 'stopped by SIGTERM' });
  t.notMatch(readFileSync(log.path, 'utf8'), /^started$/m);
});

const noise = (count: number) => Array.from({ length: count }, (_, index) => `[${index}/900] Building`);

t.test("a compiler's first error comes with what follows it, however much comes before", async (t) => {
  const error = ['cpp/a.cpp:5:1: error: expected ;', '    5 | int x', '      |      ^'];
  t.same(decisiveLines([...noise(500), 'FAILED: a.o', ...error]), error);
  const many = decisiveLines([...noise(9), ...error, ...noise(500)]);
  t.equal(many[0], error[0]);
  t.equal(many.length, 12);
  for (const line of [
    "lib/a.ts(1,7): error TS2322: Type 'string' is not assignable to type 'number'.",
    'c++: fatal error: Killed signal terminated program cc1plus',
    'engine.cpp:(.text+0x5): undefined reference to `f()`',
    'CMake Error at CMakeLists.txt:3 (project):',
  ])
    t.equal(decisiveLines([...noise(20), line, ...noise(20)])[0], line);
});

t.test("npm's own lines are chosen, else the last ones", async (t) => {
  const own = ['npm error code E404', 'npm error 404 Not Found'];
  const end = 'npm error A complete log of this run can be found in: /x';
  t.same(decisiveLines(['npm warn deprecated x', ...own, end, ...noise(20)]), own);
  t.same(decisiveLines(['', ...noise(30), '']), noise(30).slice(-12));
  t.ok(decisiveLines(['x'.repeat(5000)])[0]!.length < 500, 'of a command line of 5000 characters a part');
});
