import { join } from 'node:path';
import t, { type Test } from 'tap';

const scripts = join(import.meta.dirname, '../../scripts/setup');

interface Printer {
  start(number: number, name: string, doing: string): void;
  update(doing: string): void;
  end(outcome: string): void;
}
interface Stream {
  write(text: string): void;
  isTTY?: boolean;
  columns?: number;
}
const { StepPrinter, duration } = (await import(join(scripts, 'steps.mjs'))) as {
  StepPrinter: new (total: number, options: { stream: Stream; now: () => number }) => Printer;
  duration: (milliseconds: number) => string;
};
const { buildJobs, buildEnvironment, buildProgress } = (await import(join(scripts, 'build-jobs.mjs'))) as {
  buildJobs: (cores: number, freeBytes: number) => number;
  buildEnvironment: (env: Record<string, string>, cores: number, freeBytes: number) => Record<string, string>;
  buildProgress: (line: string) => string | undefined;
};

function printed(
  stream: Omit<Stream, 'write'>,
  work: (printer: Printer, clock: { now: number }) => void,
): string {
  let text = '';
  const clock = { now: 0 };
  const write = (part: string) => void (text += part);
  work(new StepPrinter(5, { stream: { ...stream, write }, now: () => clock.now }), clock);
  return text;
}

const addon = (printer: Printer, clock: { now: number }) => {
  printer.start(4, 'addon', 'configuring');
  clock.now = 72_000;
  for (let done = 1; done <= 14; done++)
    for (let again = 0; again < 100; again++) printer.update(`compiling, ${done} of 14`);
  printer.end('built');
};

t.test('in a pipe, a step is one line, when it is done', async (t) => {
  t.equal(printed({}, addon), '[4/5] addon: built · 1 min 12 s\n');
});

function useTerminal(t: Test, name: string): void {
  const before = process.env['TERM'];
  process.env['TERM'] = name;
  t.teardown(() => (before === undefined ? delete process.env['TERM'] : (process.env['TERM'] = before)));
}

t.test('on a terminal, a line says what is under way and is drawn over', async (t) => {
  useTerminal(t, 'xterm');
  const text = printed({ isTTY: true, columns: 80 }, addon);
  t.equal(text.split('\n').length, 2, 'one line stays');
  t.ok(text.endsWith('\r\x1b[K[4/5] addon: built · 1 min 12 s\n'));
  const drawn = text.split('\r').map((part) => part.replace('\x1b[K', ''));
  t.ok(drawn.includes('[4/5] addon: compiling, 3 of 14 · 1 min 12 s'));
  t.equal(drawn.length, 1 + 1 + 14 + 1, 'the same is not drawn twice');
  for (const line of drawn) t.ok(line.length < 80);
});

t.test('what is longer than the terminal is wide is cut, not its time', async (t) => {
  useTerminal(t, 'xterm');
  const text = printed({ isTTY: true, columns: 40 }, (printer) => {
    printer.start(3, 'libtorch', 'downloading torch 2.13.0 with pip from far away');
  });
  t.equal(text, '\r[3/5] libtorch: downloading to… · 0.0 s\x1b[K');
});

t.test('TERM=dumb is as a pipe', async (t) => {
  useTerminal(t, 'dumb');
  t.equal(printed({ isTTY: true }, addon), '[4/5] addon: built · 1 min 12 s\n');
});

t.test('durations have one unit below a minute and two above', async (t) => {
  t.same([0, 420, 9_949, 9_951, 59_400, 59_600, 150_000].map(duration), [
    ...['0.0 s', '0.4 s', '9.9 s', '10 s', '59 s', '1 min 0 s', '2 min 30 s'],
  ]);
});

const gibibyte = 1024 ** 3;

t.test(
  'there are as many compilers as processors, if there is memory for them, and one at least',
  async (t) => {
    t.equal(buildJobs(2, 16 * gibibyte), 2);
    t.equal(buildJobs(64, 16 * gibibyte), 10);
    t.equal(buildJobs(8, 2.9 * gibibyte), 1);
    t.equal(buildJobs(8, 0), 1);
  },
);

t.test('CMAKE_BUILD_PARALLEL_LEVEL decides where it is set', async (t) => {
  t.match(buildEnvironment({ HOME: '/h' }, 4, 64 * gibibyte), {
    HOME: '/h',
    CMAKE_BUILD_PARALLEL_LEVEL: '4',
  });
  const set = { CMAKE_BUILD_PARALLEL_LEVEL: '7' };
  t.same(buildEnvironment(set, 4, 64 * gibibyte), set);
  t.match(buildEnvironment({ CMAKE_BUILD_PARALLEL_LEVEL: '' }, 4, 64 * gibibyte), {
    CMAKE_BUILD_PARALLEL_LEVEL: '4',
  });
});

t.test('how far a build is, is read from ninja and from make', async (t) => {
  t.equal(buildProgress('[3/14] Building CXX object CMakeFiles/engine.dir/x.cpp.o'), '3 of 14');
  t.equal(buildProgress('[ 21%] Building CXX object CMakeFiles/engine.dir/x.cpp.o'), '21 %');
  t.equal(buildProgress('[100%] Built target engine'), '100 %');
  t.equal(buildProgress("INFO RUN [ 'cmake' ]"), undefined);
});
