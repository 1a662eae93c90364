/** What names from files may do to messages, terminals and pages: nothing. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DinoSegError } from '../lib/errors.js';
import { makeFolder } from '../lib/files.js';
import { isTooDeep, shown } from '../lib/json.js';
import { didYouMean } from '../lib/nearest.js';
import { messageText, oneLine, printable, shortened } from '../lib/printable.js';
import { readClassFile } from '../lib/data/class-file.js';
import { imagesOfManifest } from '../lib/features/manifest.js';
import { renderReport } from '../lib/report/html/page.js';
import { readSettingsFile } from '../lib/settings-file.js';
import { spawnCommand } from './helpers/command-line.js';
import { writeTree } from './helpers/temporary.js';

const hostile = 'a\u001b[2Jb\u0007\u009b1m\u007f\u202egnp.exe\ud800\udc80\udcff\u2066c';

t.test('control characters, marks of direction and halves of surrogate pairs are escaped', async (t) => {
  t.equal(printable('a\u001b[2J\nb\r\u009b\u007f\u202e'), 'a\\u001B[2J\nb\\u000D\\u009B\\u007F\\u202E');
  t.equal(oneLine('a\nb'), 'a\\u000Ab');
  t.equal(printable('\ud800x \udce9 😀 größer'), '\\uD800x \\xE9 😀 größer');
  const json = JSON.stringify({ [hostile]: hostile });
  t.same(JSON.parse(printable(json)), { [hostile]: hostile }, 'JSON stays the same value');
  const { message } = new DinoSegError('IO', `${hostile} is bad.\nTry again.`);
  t.match(message, /^a\\u001B\[2Jb.* is bad\.\nTry again\.$/);
  t.equal(printable(message), message);
});

t.test('long names are shortened, and messages end with their advice', async (t) => {
  t.equal(shortened('abc😀d', 5), 'abc…', 'not within a pair');
  const long = 'x'.repeat(1e6);
  const message = messageText(`The id "${long}" occurs twice. Remove one.`);
  t.ok(message.length < 300 && message.endsWith('…" occurs twice. Remove one.'), message.slice(0, 400));
  t.ok(messageText(`${'word '.repeat(1e5)} end.`).endsWith(' end.'));
  t.ok(messageText('word '.repeat(1e5)).length < 9000);
  t.ok(shown(['x'.repeat(1e6)]).length <= 120);
  t.equal(didYouMean(long, ['road']) + didYouMean('road', [long]), '');
});

t.test('deep nesting is shown and refused', async (t) => {
  const deep = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
  t.match(shown(deep(20_000)), /^\[{8}"…"\]{8}$/);
  t.same(
    [50, 20_000].map((levels) => isTooDeep(deep(levels))),
    [false, true],
  );
  const text = '['.repeat(20_000) + ']'.repeat(20_000);
  const loop: unknown[] = [];
  loop.push(loop, loop);
  t.ok(isTooDeep(loop));
  const root = await writeTree(t, {
    'a.json': text,
    'a.yaml': `a: ${text}`,
    'blocks.yaml': Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
    'loop.yaml': 'a: &a [*a, *a]\n',
    'key.yaml': 'a: &a [x,x]\nb: &b [*a,*a]\n? *b\n: 1\n',
  });
  const refused = { code: 'INVALID_ARGUMENT', message: /levels deep|Write the values of aliases/ };
  for (const name of ['a.json', 'a.yaml', 'blocks.yaml', 'loop.yaml'])
    await t.rejects(readSettingsFile(join(root, name)), refused, name);
  await t.rejects(readClassFile(join(root, 'a.json')), { code: 'CLASSES', message: /levels deep/ });
  t.type((await readSettingsFile(join(root, 'key.yaml'))).settings, 'object');
});

t.test('only regular files of a bounded size are read', async (t) => {
  const root = await writeTree(t, { 'large.yaml': '', 'large.json': '' });
  for (const name of ['large.yaml', 'large.json']) execFileSync('truncate', ['-s', '100M', join(root, name)]);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const irregular = {
    code: 'FILE_NOT_FOUND',
    message: /is a pipe, socket or device, but a regular file was expected/,
  };
  for (const path of [join(root, 'pipe'), '/dev/zero']) {
    await t.rejects(readSettingsFile(path), irregular, path);
    await t.rejects(readClassFile(path), irregular, path);
    await t.rejects(imagesOfManifest(path), irregular, path);
  }
  const large = { message: /has 100\.0 MiB; a file of this kind has at most 64\.0 MiB/ };
  await t.rejects(readSettingsFile(join(root, 'large.yaml')), { code: 'INVALID_ARGUMENT', ...large });
  await t.rejects(readClassFile(join(root, 'large.json')), { code: 'CLASSES', ...large });
});

t.test('folders are made as far as the system allows, and its own error says what it does not', async (t) => {
  const root = t.testdir({ file: '' });
  await makeFolder(join(root, 'a/b/c'));
  await makeFolder(join(root, 'a/b'));
  await t.rejects(makeFolder(join(root, 'file/a')), { code: 'IO', cause: { code: 'ENOTDIR' } });
  await t.rejects(makeFolder(join(root, 'file')), { code: 'IO', cause: { code: 'EEXIST' } });
  if (process.platform === 'linux')
    await t.rejects(makeFolder('/proc/none/a'), { code: 'IO', cause: { code: 'ENOENT' } });
});

t.test('pages and commands show names escaped, JSON has the true ones', async (t) => {
  const page = renderReport({ title: hostile, lead: hostile, made: 'now', sections: [] });
  // eslint-disable-next-line no-control-regex
  t.notMatch(page, /[\u001b\u0007\u009b\u007f\u202e\u2066]/);
  t.match(page, 'a\\u001B[2Jb');
  const name = 'key\u001b[2J\n\u202ex';
  const header = JSON.stringify({
    __metadata__: { [name]: name },
    [name]: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
  });
  const length = Buffer.alloc(8);
  const root = t.testdir();
  const bytes = Buffer.from(header.padEnd(Math.ceil(Buffer.byteLength(header) / 8) * 8));
  length.writeBigUInt64LE(BigInt(bytes.length));
  const path = join(root, 'h.safetensors');
  writeFileSync(path, Buffer.concat([length, bytes, Buffer.alloc(4)]));
  const plain = await spawnCommand(['inspect', path], { FORCE_COLOR: '1' });
  t.equal(plain.code, 0, plain.stderr);
  t.match(plain.stdout, '\nkey\\u001B[2J\\u000A\\u202Ex  1 ');
  t.match(plain.stdout, '\u001b[1mkey ', 'our own colours stay');
  // eslint-disable-next-line no-control-regex
  t.notMatch(plain.stdout.replaceAll(/\u001b\[(?:1|22)m/g, ''), /[\u001b\u202e]/);
  const json = await spawnCommand(['inspect', path, '--json']);
  // eslint-disable-next-line no-control-regex
  t.notMatch(json.stdout, /[\u001b\u202e]/);
  t.equal((JSON.parse(json.stdout) as { tensors: { name: string }[] }).tensors[0]!.name, name);
});
