/** Whatever happens to a cache's files is found and named, never used, and mended by making again what it hit. */
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { checkCache } from '../../lib/cache/manage.js';
import { train } from '../../lib/train/loop.js';
import { makeCache } from '../../lib/train/make-cache.js';
import { createRandom } from '../helpers/random-values.js';
import {
  cacheSource,
  fill,
  readIndexLines,
  readRecords,
  recordFile,
  recordName,
} from '../helpers/tiny-cache.js';
import { readTensors, tinySettings } from '../helpers/tiny-run.js';
import { sameBits } from '../helpers/close.js';

const root = t.testdir();
const settings = { ...(await tinySettings(root, { train: 4, val: 2 })), mode: 'cached' as const };
const source = await cacheSource(settings);
const pristine = join(root, 'pristine');
// Ten records in three files.
await fill(pristine, source, { fileBytes: 300_000 });
const lines = readIndexLines(pristine);
const entries = lines.map(({ entry }) => entry).filter((entry) => entry !== null);
const { recordBytes } = await CacheFolder.open(pristine, source.key);
const records = readRecords(pristine, recordBytes);
const files = readdirSync(pristine).filter((name) => name !== 'lock');
const headerBytes = 64;

/** Something done to a file. */
interface Damage {
  file: string;
  /** A bit of a byte turned; the file cut to a size; the file removed. */
  does: { flip: number; bit: number } | { size: number } | 'remove';
}

function apply(cache: string, { file, does }: Damage): void {
  const path = join(cache, file);
  if (does === 'remove') rmSync(path);
  else if ('size' in does) truncateSync(path, does.size);
  else {
    const content = readFileSync(path);
    content[does.flip]! ^= 1 << does.bit;
    writeFileSync(path, content);
  }
}

/** Whether a damage touches bytes from `start` to `end` of its file. */
function touches({ does }: Damage, start: number, end: number): boolean {
  if (does === 'remove') return true;
  return 'size' in does ? does.size < end : start <= does.flip && does.flip < end;
}

/** The records that a damage makes unusable. */
function unusable(damage: Damage): string[] {
  const { file } = damage;
  if (file === 'cache.json') return [];
  if (file === 'index.jsonl')
    // A line whose predecessor's end is hit is joined to it.
    return lines.flatMap(({ start, end, entry }) =>
      entry && touches(damage, start - 1, end) ? [recordName(entry)] : [],
    );
  return entries
    .filter((entry) => recordFile(entry.file) === file)
    .filter(({ offset }) => touches(damage, 0, headerBytes) || touches(damage, offset, offset + recordBytes))
    .map(recordName);
}

/** Damages of all kinds at random places; every file is cut to 0 and removed once, every file's first bytes are hit. */
function randomDamages(count: number): Damage[] {
  const random = createRandom(11);
  const below = (n: number) => Math.floor(random() * n);
  const sizeOf = (file: string) => statSync(join(pristine, file)).size;
  const fixed = files.flatMap((file): Damage[] => [
    { file, does: { size: 0 } },
    { file, does: 'remove' },
    { file, does: { flip: below(headerBytes), bit: below(8) } },
  ]);
  const [inRecords, others] = [files.filter((file) => file.endsWith('.bin')), ['index.jsonl', 'cache.json']];
  const drawn = Array.from({ length: count - fixed.length }, (_, i): Damage => {
    const among = i % 3 < 2 ? inRecords : others;
    const file = among[below(among.length)]!;
    const size = sizeOf(file);
    return i % 5 < 3
      ? { file, does: { flip: below(size), bit: below(8) } }
      : { file, does: { size: below(size) } };
  });
  return [...fixed, ...drawn];
}

/** What `cache check` says: the damage's reasons, or the refusal's message. */
async function check(cache: string): Promise<string[]> {
  try {
    const { damage } = await checkCache(cache);
    return damage.map(({ record, reason }) => `${record ?? ''}: ${reason}`);
  } catch (error) {
    return [(error as Error).message];
  }
}

async function checkMended(t: Test, cache: string, damage: Damage): Promise<void> {
  apply(cache, damage);
  const hit = unusable(damage);
  const named = await check(cache);
  t.ok(named.length > 0 && named.every((text) => text.includes(damage.file)), `named: ${named.join('; ')}`);
  if (damage.file.endsWith('.bin'))
    t.same(named.map((text) => text.split(':')[0]).sort(), [...hit].sort(), 'by record');

  const result = await makeCache({ ...settings, cache });
  t.equal(result.made, hit.length, `${hit.length} of ${entries.length} records are made again`);
  t.equal(result.kept, entries.length - hit.length);
  t.ok(result.damage.length > 0, 'the pass names it, too');
  t.same(await checkCache(cache), { records: entries.length, damage: [] }, 'whole afterwards');
  const mended = readRecords(cache, recordBytes);
  t.equal(mended.size, records.size);
  for (const [name, { entry, bytes }] of records) {
    const now = mended.get(name)!;
    if (!now.bytes.equals(bytes)) t.fail(`${name} holds other bytes`);
    if (now.entry.checksum !== entry.checksum) t.fail(`${name} has another checksum`);
    const { file, offset } = now.entry;
    if (!hit.includes(name) && (file !== entry.file || offset !== entry.offset)) t.fail(`${name} has moved`);
  }
}

t.test('50 random places: flipped bits, cut and removed files', async (t) => {
  const damages = randomDamages(50);
  t.equal(damages.length, 50);
  for (const [i, damage] of damages.entries()) {
    const cache = join(root, `damaged-${i}`);
    cpSync(pristine, cache, { recursive: true, preserveTimestamps: true });
    await t.test(JSON.stringify(damage), (t) => checkMended(t, cache, damage));
    rmSync(cache, { recursive: true });
  }
});

t.test('training mends a cache on its way and gives what it gives on a whole one', async (t) => {
  const run = { ...settings, epochs: 2 };
  await train({ ...run, cache: pristine, out: join(root, 'run') });
  const cache = join(root, 'mended-by-training');
  cpSync(pristine, cache, { recursive: true, preserveTimestamps: true });
  apply(cache, { file: recordFile(0), does: { flip: headerBytes + recordBytes + 1234, bit: 3 } });
  apply(cache, { file: 'index.jsonl', does: { flip: lines[5]!.start + 20, bit: 0 } });
  const log: string[] = [];
  await train({ ...run, cache, out: join(root, 'run-mended') }, { onLog: (line) => log.push(line) });
  const told = log.filter((line) => line.startsWith('damaged: '));
  t.equal(told.length, 2, told.join('\n'));
  t.match(log.join('\n'), /: 8 records found, 2 made/);
  for (const [name, { data }] of Object.entries(readTensors(join(root, 'run'), 'last')))
    t.ok(sameBits(readTensors(join(root, 'run-mended'), 'last')[name]!.data, data), name);
  t.same((await checkCache(cache)).damage, []);
});

t.test('what stopped passes leave behind is swept, whatever it is', async (t) => {
  const cache = join(root, 'littered');
  cpSync(pristine, cache, { recursive: true, preserveTimestamps: true });
  const [last] = entries.slice(-1);
  writeFileSync(join(cache, recordFile(last!.file)), Buffer.alloc(1000), { flag: 'a' });
  writeFileSync(join(cache, recordFile(last!.file + 1)), Buffer.alloc(headerBytes));
  writeFileSync(join(cache, '.index.jsonl.0123456789ab.tmp'), 'half');
  writeFileSync(join(cache, 'index.jsonl'), readFileSync(join(cache, 'index.jsonl')).subarray(0, -10));
  const result = await makeCache({ ...settings, cache });
  t.equal(result.made, 1);
  t.same(readdirSync(cache).sort(), readdirSync(pristine).sort());
  for (const file of files.filter((name) => name.endsWith('.bin')))
    t.ok(readFileSync(join(cache, file)).equals(readFileSync(join(pristine, file))), file);
});

t.test(
  'without a whole cache.json the records serve the settings that they were made with, and no others',
  async (t) => {
    const cache = join(root, 'unknown');
    cpSync(pristine, cache, { recursive: true });
    apply(cache, { file: 'cache.json', does: { size: 10 } });
    const otherwise = { ...settings, cache, imageSize: 32 };
    await t.rejects(makeCache(otherwise), {
      code: 'CACHE',
      message: /cache\.json is missing or damaged, and no line/,
    });
    t.equal((await makeCache({ ...settings, cache })).made, 0);
    t.ok(existsSync(join(cache, 'cache.json')));
    t.same((await checkCache(cache)).damage, []);
  },
);
