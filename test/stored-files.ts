/** Files that the package reads back, with one value after the other replaced: an error of ours or a right result, never another error. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFolder } from '../lib/cache/cache-folder.js';
import { readIndex, rewriteIndex, type RecordForm } from '../lib/cache/index-file.js';
import { cacheId, cacheKey } from '../lib/cache/key.js';
import { loadClassSet } from '../lib/data/class-sets.js';
import { DinoSegError, type ErrorCode } from '../lib/errors.js';
import { extractTable } from '../lib/features/extract-table.js';
import { identityId, type TableIdentity } from '../lib/features/identity.js';
import { Journal, journalLine, type JournalPass } from '../lib/features/journal.js';
import { mergeTables } from '../lib/features/merge-tables.js';
import { filesOf } from '../lib/features/table-files.js';
import { FolderLock } from '../lib/folder-lock.js';
import { imagesOfPaths } from '../lib/images/images-of-paths.js';
import { parseClassSet, stringifyClassSet } from '../lib/model/class-set-json.js';
import { normalizations } from '../lib/model/normalization.js';
import { wholeInstall } from '../lib/native/libtorch/install/cache.js';
import { PredictionRecord } from '../lib/predict/prediction-record.js';
import { sha256 } from '../lib/settings-digest.js';
import { parseShard } from '../lib/shard.js';
import { parsePosition } from '../lib/train/run-position.js';
import { readDescription } from '../lib/train/run-folder.js';
import { damagedTexts } from './helpers/damaged-json.js';
import { writePictures } from './helpers/pictures.js';
import { pixelExtractor } from './helpers/pixel-extractor.mjs';
import { readSafetensors } from './helpers/safetensors.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const fixture = join(import.meta.dirname, 'fixtures/earlier-run');

/** Reads each damaged text; what is thrown must be ours, with one of the codes. Asserts once: there are hundreds. */
async function checkDamage(
  t: Test,
  text: string,
  codes: readonly ErrorCode[],
  read: (text: string, place: string) => unknown,
): Promise<void> {
  const wrong: string[] = [];
  let [refused, all] = [0, 0];
  for (const [place, damaged] of damagedTexts(text)) {
    all++;
    try {
      await read(damaged, place);
    } catch (error) {
      refused++;
      if (!(error instanceof DinoSegError) || !codes.includes(error.code) || error.message.length > 3000)
        wrong.push(`${place}: ${String(error).slice(0, 300)}`);
    }
  }
  t.same(wrong, []);
  t.ok(all > 20, `${refused} of ${all} were refused`);
  if (codes.length > 0) t.ok(refused > 0, 'some were refused');
}

const paths = await writePictures(at('in'), 4);
writeFileSync(paths[1]!, 'no image');
const images = await imagesOfPaths([at('in')]);
const extract = (name: string, shard?: string) =>
  extractTable(pixelExtractor({ passSize: 2 }), images, {
    output: at(name),
    ...(shard !== undefined && { shard: parseShard(shard) }),
  });

t.test('the description of a part', async (t) => {
  const parts = ['part-1.csv', 'part-2.csv'];
  for (const [i, name] of parts.entries()) await extract(name, `${i + 1}/2`);
  const { description } = filesOf(at('part-1.csv'));
  const text = readFileSync(description, 'utf8');
  const [whole, merged] = [at('whole.csv'), at('merged.csv')];
  await mergeTables(parts.map(at), whole);
  await checkDamage(t, text, ['TABLE', 'MANIFEST'], async (damaged) => {
    writeFileSync(description, damaged);
    rmSync(merged, { force: true });
    rmSync(filesOf(merged).folder, { recursive: true, force: true });
    await mergeTables(parts.map(at), merged);
  });
});

t.test('the identity of a run of a table', async (t) => {
  await extract('t.csv');
  const { run } = filesOf(at('t.csv'));
  const text = readFileSync(run, 'utf8');
  const table = readFileSync(at('t.csv'), 'utf8');
  await checkDamage(t, text, ['TABLE'], async (damaged) => {
    writeFileSync(run, damaged);
    await extract('t.csv');
    if (readFileSync(at('t.csv'), 'utf8') !== table) throw new Error('another table');
  });
});

t.test('a pass of a journal: whatever is no pass is a damaged line', async (t) => {
  await extract('j.csv');
  const files = filesOf(at('j.csv'));
  const id = identityId(JSON.parse(readFileSync(files.run, 'utf8')) as TableIdentity);
  const [line] = readFileSync(files.journal, 'utf8').split('\n');
  await checkDamage(t, line!.split('\t')[0]!, [], async (text) => {
    const signed = journalLine(id, {} as JournalPass)
      .toString()
      .split('\t');
    signed[0] = text;
    writeFileSync(at('journal.jsonl'), `${text}\t${sha256(`${id}\n${text}`).slice(0, 16)}\n`);
    const journal = await Journal.open(at('journal.jsonl'), id);
    try {
      if (journal.entries.size + journal.damagedLines.length !== 1) throw new Error('neither');
      for (const entry of journal.entries.values()) await journal.rows(entry);
    } finally {
      await journal.close();
    }
  });
});

const key = cacheKey({
  model: { id: 'm', dtype: 'float32', precision: 'float32', normalization: normalizations.lvd },
  classSet: await loadClassSet('idd26'),
  labelKind: 'labellevel3Ids',
  ...{ imageSize: 64, dtype: 'bfloat16', contents: 'decoded' },
  views: { flip: true, jittered: 0, seed: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0 },
});
const form: Required<RecordForm> = {
  layout: [
    { name: 'queries', shape: [4, 8], dtype: 'bfloat16' },
    { name: 'masks', shape: [4, 16, 16], dtype: 'bfloat16' },
    { name: 'labels', shape: [64, 64], dtype: 'uint8' },
  ],
  passSize: 1,
};

t.test('the description of a cache', async (t) => {
  await mkdir(at('cache'));
  const text = JSON.stringify({ key, ...form, part: { index: 1, count: 2, records: 3 } }, null, 2);
  await checkDamage(t, text, ['CACHE'], async (damaged) => {
    writeFileSync(at('cache/cache.json'), `${damaged}\n${sha256(damaged)}\n`);
    await CacheFolder.find(at('cache'));
  });
});

t.test('lines of an index: whatever is neither a record nor a form is damaged', async (t) => {
  const entry = {
    ...{ split: 'train', name: 'a', view: 0, file: 0, offset: 0, checksum: '00000000deadbeef' },
    source: { sizes: [1, 2], times: [3, 4.5], digests: ['a', 'b'] },
    classPixels: [5],
  };
  const id = cacheId(key);
  await rewriteIndex(at('index.jsonl'), id, form, []);
  for (const each of [entry, form])
    await checkDamage(t, JSON.stringify(each), [], async (text) => {
      writeFileSync(at('index.jsonl'), `${text}\t${sha256(`${id}\n${text}`).slice(0, 16)}\n`);
      const index = await readIndex(at('index.jsonl'), id);
      if (index.entries.size + index.damagedLines.length + Number(index.form !== null) !== 1)
        throw new Error('neither');
    });
});

t.test('the configuration of a run', async (t) => {
  const text = readFileSync(join(fixture, 'one/config.json'), 'utf8');
  await mkdir(at('run'));
  await checkDamage(t, text, ['RUN'], async (damaged) => {
    writeFileSync(at('run/config.json'), damaged);
    await readDescription(at('run'));
  });
});

t.test('the position of a run, of this release and of earlier ones', async (t) => {
  for (const run of ['one', 'sweep']) {
    const { run: text } = readSafetensors(join(fixture, run, 'last.safetensors')).metadata;
    const earlier = parsePosition('last.safetensors', text!);
    for (const each of [text!, JSON.stringify({ ...earlier, seed: 1 })])
      await checkDamage(t, each, ['RUN'], (damaged) => parsePosition('last.safetensors', damaged));
  }
});

t.test('the classes of a head', async (t) => {
  const set = await loadClassSet('idd7');
  const refuse = (what: string) => new DinoSegError('CHECKPOINT_FORMAT', what);
  await checkDamage(t, stringifyClassSet(set), ['CHECKPOINT_FORMAT'], (text) => parseClassSet(text, refuse));
});

t.test('lines of predictions: a damaged one is as good as none', async (t) => {
  const settings = { model: 'm' };
  const image = at('in/a.png');
  const first = await PredictionRecord.open(at('predictions'), settings);
  await first.add('a_segmentation', image, null, ['raw', 'colored']);
  await first.addReport(at('predictions/report.html'), [image]);
  const file = at('predictions/predictions.jsonl');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  await mkdir(at('predictions/a_segmentation'));
  for (const [i, line] of lines.entries())
    await checkDamage(t, line, i === 1 ? ['INVALID_ARGUMENT'] : [], async (damaged) => {
      writeFileSync(file, `${lines.with(i, damaged).join('\n')}\n`);
      const record = await PredictionRecord.open(at('predictions'), settings);
      await record.has(image, 'a_segmentation', ['raw']);
      record.foldersOfOthers([]);
      record.reportPath(at('predictions/report.html'), [image]);
    });
});

t.test('the claim of a writer', async (t) => {
  const holder = JSON.stringify({ host: 'elsewhere', pid: 12, began: '1' });
  await mkdir(at('locked'));
  const claim = at('locked/claim-0123456789abcdef');
  await checkDamage(t, holder, ['TABLE'], async (damaged) => {
    writeFileSync(claim, damaged);
    const lock = await FolderLock.take(at('locked'), 'The table', 'TABLE');
    await lock[Symbol.asyncDispose]();
    await mkdir(at('locked'), { recursive: true });
  });
});

t.test('the sizes of an installed libtorch', async (t) => {
  await mkdir(at('libtorch'));
  writeFileSync(at('libtorch/a.so'), 'abc');
  const manifest = { version: '2.9.0', build: 'cpu', sha256: '0'.repeat(64), files: { 'a.so': 3 } };
  await checkDamage(t, JSON.stringify(manifest), [], async (damaged) => {
    writeFileSync(at('libtorch/install.json'), damaged);
    const found = await wholeInstall(at('libtorch'));
    if (found && !existsSync(at('libtorch/a.so'))) throw new Error('not whole');
  });
});
