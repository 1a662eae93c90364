import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { encodePng } from '../../../lib/data/decode.js';
import { crc32c } from '../../../lib/report/tensorboard/crc32c.js';
import { EventFile } from '../../../lib/report/tensorboard/event-file.js';
import { readEvents, readFrames } from '../../helpers/event-file.js';

const clock = 1_700_000_000_500;

t.test('the checksum is CRC-32C: the examples of RFC 3720, B.4', async (t) => {
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

t.test('scalars, texts and images are read back as they were given', async (t) => {
  const file = await EventFile.begin(join(t.testdir(), 'run'), 1, clock);
  const png = await encodePng(new Uint8Array(5 * 3 * 3).fill(7), 5, 3, 3);
  const scalars = [
    ['loss/train', 1.25],
    ['IoU/non-drivable fallback', 1 / 3],
    ['Größe', -1e-30],
    ['zero', 0],
  ] as const;
  await file.add(
    1,
    scalars.map(([tag, scalar]) => ({ tag, scalar })),
    clock,
  );
  await file.add(2 ** 40 + 3, [{ tag: 'config', text: '# Grüße\n\n'.repeat(50) }], clock + 250);
  await file.add(3, [{ tag: 'example/0', png, width: 5, height: 3 }], clock);
  const [version, start, first, second, third, ...others] = readEvents(await readFile(file.path));
  t.same(others, []);
  t.match(version, { wallTime: clock / 1000, step: 0, version: 'brain.Event:2' });
  t.match(start, { wallTime: clock / 1000, step: 1, session: 1 });
  t.equal(first!.step, 1);
  t.same(first!.scalars, Object.fromEntries(scalars.map(([tag, scalar]) => [tag, Math.fround(scalar)])));
  t.equal(second!.step, 2 ** 40 + 3);
  t.equal(second!.wallTime, (clock + 250) / 1000);
  t.same(second!.texts, { config: '# Grüße\n\n'.repeat(50) });
  t.same(third!.images, { 'example/0': { width: 5, height: 3, channels: 3, png } });
});

t.test('a file whose last write was cut short is read up to there, at every length', async (t) => {
  const file = await EventFile.begin(t.testdir(), 1, clock);
  const before = await readFile(file.path);
  await file.add(1, [{ tag: 'loss/train', scalar: 2 }]);
  const whole = await readFile(file.path);
  for (let length = before.length; length < whole.length; length++)
    if (readFrames(whole.subarray(0, length)).length !== 2) t.fail(`${length} bytes`);
  t.equal(readFrames(whole).length, 3);
});

t.test(
  "a later sitting's file comes after the earlier ones, even by a clock that was set back",
  async (t) => {
    const folder = t.testdir({ 'metrics.jsonl': '' });
    const first = await EventFile.begin(folder, 1, clock);
    const second = await EventFile.begin(folder, 4, clock - 60_000);
    const third = await EventFile.begin(folder, 5, clock);
    const names = (await readdir(folder)).filter((name) => name.startsWith('events.')).sort();
    t.same(
      names.map((name) => join(folder, name)),
      [first.path, second.path, third.path],
    );
    t.match(names[0], /^events\.out\.tfevents\.1700000000\.[\w.-]+\.\d+\.0$/);
    t.same([first.continues, second.continues, third.continues], [false, true, true]);
    t.equal(readEvents(await readFile(second.path))[1]!.step, 4);
  },
);

t.test('a folder that cannot be made, and a file that cannot be written, are errors', async (t) => {
  const folder = t.testdir({ file: '' });
  await t.rejects(EventFile.begin(join(folder, 'file', 'run'), 1), { code: 'IO', message: /file\/run/ });
  const file = await EventFile.begin(join(folder, 'run'), 1);
  await rm(join(folder, 'run'), { recursive: true });
  await writeFile(join(folder, 'run'), '');
  await t.rejects(file.add(1, []), { code: 'IO', message: /run\/events.* could not be written/ });
});
