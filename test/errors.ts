import t from 'tap';
import { DinoSegError } from '../lib/errors.js';

const messageOf = (message: string) => new DinoSegError('IO', message).message;

t.test('a message shows control characters and halves of pairs as escapes', (t) => {
  t.equal(messageOf('a\u001b[31mb\0\x7f\x9b\r'), 'a\\u001b[31mb\\u0000\\u007f\\u009b\\u000d');
  t.equal(messageOf('half \ud800 and whole \u{1f600}'), 'half \\ud800 and whole \u{1f600}');
  t.equal(messageOf('two\r\nlines\n\twith a tab, ü and 日本'), 'two\nlines\n\twith a tab, ü and 日本');
  t.end();
});

t.test('of a long message, the beginning and the end stay', (t) => {
  const whole = `begins ${'x'.repeat(3980)} ends here.`;
  t.equal(messageOf(whole), whole);
  const long = messageOf(`begins ${'\u{1f600}'.repeat(10_000)} ends here.`);
  t.ok(long.length <= 4000, `${long.length} characters`);
  t.match(long, /^begins .*….* ends here\.$/u);
  t.ok(long.isWellFormed(), 'no pair is cut');
  t.end();
});
