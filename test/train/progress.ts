import t from 'tap';
import { formatSeconds, ProgressBar } from '../../lib/train/progress.js';

class Stream {
  text = '';
  constructor(readonly isTTY: boolean) {}
  columns = 100;
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
  t.match(stream.text, /^\r█+░+ {2}epoch 1\/2: 20\/100 {2}loss 2\.5000 {2}2\.0 images\/s {2}40 s left/);
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
    'val: 30/60, 1.0 images/s, 30 s left',
    'val: 60/60, 1.0 images/s, 0 s left',
  ]);
});

t.test('times are short', async (t) => {
  t.same([5.4, 187, 8100].map(formatSeconds), ['5 s', '3:07', '2:15:00']);
});
