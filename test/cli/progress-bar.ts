import t from 'tap';
import { ProgressBar } from '../../lib/cli/progress-bar.js';

class Stream {
  text = '';
  constructor(
    readonly isTTY: boolean,
    public columns = 100,
  ) {}
  write(text: string): void {
    this.text += text;
  }
}

t.test('on a terminal the bar shows share, loss, speed and time left', async (t) => {
  let now = 0;
  const stream = new Stream(true);
  const bar = new ProgressBar(stream, () => now);
  bar.update({ label: 'epoch 1/2', done: 0, total: 100, loss: 3 });
  stream.text = '';
  now = 50;
  bar.update({ label: 'epoch 1/2', done: 5, total: 100, loss: 3 });
  t.equal(stream.text, '', 'it is not drawn more than ten times a second');
  now = 10_000;
  bar.update({ label: 'epoch 1/2', done: 20, total: 100, loss: 2.5 });
  t.match(stream.text, /^\r█+░+ {2}epoch 1\/2: 20\/100 {2}40 s left {2}2\.0 images\/s {2}loss 2\.5000/);
  stream.text = '';
  bar.clear();
  t.equal(stream.text, '\r\x1b[K');
});

t.test('elsewhere a line comes every half minute and at the end', async (t) => {
  let now = 0;
  const stream = new Stream(false);
  const bar = new ProgressBar(stream, () => now);
  for (let done = 0; done <= 60; done++) {
    now = done * 1000;
    bar.update({ label: 'val', done, total: 60 });
  }
  t.same(stream.text.trimEnd().split('\n'), [
    'val: 30/60, 30 s left, 1.0 images/s',
    'val: 60/60, 0 s left, 1.0 images/s',
  ]);
});

t.test('on a narrow terminal the bar never fills the line, and says what matters most', async (t) => {
  let now = 0;
  const stream = new Stream(true);
  const bar = new ProgressBar(stream, () => now);
  const drawn = (columns: number) => {
    Object.assign(stream, { columns, text: '' });
    now += 1000;
    bar.update({ label: 'epoch 12/20', done: now / 1000, total: 9000, loss: 1 });
    const line = stream.text.replace(/^\r/, '').replace('\x1b[K', '');
    t.ok(line.length < columns, `${line.length} of ${columns}`);
    return line;
  };
  drawn(100);
  for (let columns = 90; columns > 1; columns--) drawn(columns);
  t.match(drawn(60), /^░+ {2}epoch 12\/20: \d+\/9000 {2}2:28:\d\d left {2}1\.0 images\/s$/);
  t.match(drawn(40), /^epoch 12\/20: \d+\/9000 {2}2:28:\d\d left$/);
  t.match(drawn(30), /^░{5,} {2}epoch 12\/20: \d+\/9000$|^epoch 12\/20: \d+\/9000$/);
  t.equal(drawn(12), 'epoch 12/2…');
});

t.test('a terminal that cannot draw over a line gets lines', async (t) => {
  const before = process.env['TERM'];
  process.env['TERM'] = 'dumb';
  t.teardown(() => {
    if (before === undefined) delete process.env['TERM'];
    else process.env['TERM'] = before;
  });
  const stream = new Stream(true);
  new ProgressBar(stream).update({ label: 'check', done: 2, total: 2, unit: 'records' });
  t.match(stream.text, /^check: 2\/2\n$/);
});
