/** Tables of sets of images that grow: the bytes are those of a new table. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { DinoSegError } from '../../lib/errors.js';
import { extractTable, type ExtractTableOptions } from '../../lib/features/extract-table.js';
import { identityId, type TableIdentity } from '../../lib/features/identity.js';
import { imagesOfManifest } from '../../lib/features/manifest.js';
import { listPanoramaViews } from '../../lib/features/reading.js';
import { imagesOfPaths, type ImageList } from '../../lib/images/images-of-paths.js';
import { pixelExtractor, type PixelExtractorOptions } from '../helpers/pixel-extractor.mjs';
import { numberedPicture, writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const at = (...names: string[]) => join(root, ...names);

async function draw(path: string, number: number): Promise<void> {
  const { data, width, height } = numberedPicture(number);
  writeFileSync(path, await encodePng(data, width, height, 3));
}

/** A folder with pictures 00 to 09, and what makes a table of what is in it. */
async function growing(name: string, extractor: PixelExtractorOptions = {}) {
  const folder = at(name, 'in');
  await writePictures(folder, 10);
  const list = () => imagesOfPaths([folder]);
  const make = async (output: string, options: Partial<ExtractTableOptions> = {}, images?: ImageList) =>
    extractTable(pixelExtractor({ passSize: 1, company: true, ...extractor }), images ?? (await list()), {
      output: at(name, output),
      ...options,
    });
  const sameAsNew = async (t: Test, options: Partial<ExtractTableOptions> = {}, images?: ImageList) => {
    rmSync(at(name, 'new.csv'), { force: true });
    rmSync(at(name, 'new_csv_files'), { recursive: true, force: true });
    await make('new.csv', options, images);
    t.equal(readFileSync(at(name, 't.csv'), 'utf8'), readFileSync(at(name, 'new.csv'), 'utf8'));
    const failures = (table: string) => readFileSync(at(name, `${table}_csv_files/failures.tsv`), 'utf8');
    t.equal(failures('t'), failures('new'));
    t.same(readdirSync(at(name, 't_csv_files/resume')).sort(), ['journal.jsonl', 'run.json']);
  };
  return { folder, list, make, sameAsNew };
}

/** Adds two photographs, replaces one, removes two, touches one, and moves another. */
async function change(folder: string): Promise<void> {
  await draw(join(folder, '00-before.png'), 40);
  await draw(join(folder, '05-between.png'), 41);
  await draw(join(folder, '03.png'), 42);
  rmSync(join(folder, '07.png'));
  rmSync(join(folder, '08.png'));
  utimesSync(join(folder, '01.png'), 1, 1);
  mkdirSync(join(folder, 'moved'));
  renameSync(join(folder, '09.png'), join(folder, 'moved/nine.png'));
}

t.test('rows of the same images are kept, others made or removed, and counted', async (t) => {
  const { folder, make, sameAsNew } = await growing('plain');
  await make('t.csv');
  await change(folder);
  await t.rejects(make('t.csv'), {
    code: 'TABLE',
    message: /inputs\.digest.*To keep the rows of unchanged images, extend the table: --extend/s,
  });
  const log: string[] = [];
  const { extension, extracted, rows } = await make('t.csv', {
    extend: true,
    onLog: (line) => log.push(line),
  });
  t.same(extension, { kept: 7, added: 2, changed: 1, removed: 2, repeated: 0 });
  t.equal(log[0], 'Extending the table: 7 images kept, 2 new, 1 changed, 2 removed.');
  t.equal(extracted, 3);
  t.equal(rows, 10);
  await sameAsNew(t);
  const again = await make('t.csv', { extend: true });
  t.same([again.extracted, again.extension], [0, undefined], 'there is nothing to extend then');
  await make('first.csv', { extend: true });
  t.ok(existsSync(at('plain/first.csv')), 'a table that is not there is made');
});

for (const [name, keepsRows, how] of [
  ['only whole passes are kept', false, {}],
  ['rows are kept in any pass of as many', true, { isIndependent: true }],
  [
    'of a pass that was run again, no row is kept in another',
    false,
    { isIndependent: true, runsAgain: true },
  ],
] as const)
  t.test(`passes of several images: ${name}`, async (t) => {
    const { folder, make, sameAsNew } = await growing(name, { passSize: 4, ...how });
    await make('t.csv');
    await draw(join(folder, '00-before.png'), 40);
    const first = await make('t.csv', { extend: true });
    // [00 00-before 01 02] [03 04 05 06] [07 08 09]; before it was [00 01 02 03] [04 05 06 07] [08 09].
    const repeated = keepsRows ? 6 : 10;
    t.same(first.extension, { kept: 10, added: 1, changed: 0, removed: 0, repeated });
    t.equal(first.extracted, keepsRows ? 7 : 11);
    await sameAsNew(t);
    await draw(join(folder, '99.png'), 43);
    const second = await make('t.csv', { extend: true });
    t.same(second.extension, { kept: 11, added: 1, changed: 0, removed: 0, repeated: 3 }, 'at the end');
    await sameAsNew(t);
  });

t.test('failures are kept with their images, and tried again where they may pass', async (t) => {
  const { folder, make, sameAsNew } = await growing('failing', { passSize: 2, isIndependent: true });
  writeFileSync(join(folder, '04.png'), 'no image');
  await make('t.csv');
  rmSync(join(folder, '00.png'));
  rmSync(join(folder, '01.png'));
  const { extension, extracted, failures } = await make('t.csv', { extend: true });
  t.match(extension, { kept: 8, removed: 2 });
  t.equal(extracted, 0);
  t.match(failures, [{ place: 2, code: 'IMAGE' }]);
  await sameAsNew(t);
  renameSync(join(folder, '04.png'), join(folder, '11.png'));
  t.match((await make('t.csv', { extend: true })).extension, { kept: 7, added: 1, removed: 1 });
  await sameAsNew(t);
});

t.test(
  'columns of a manifest, their order and their names may change: no image is extracted again',
  async (t) => {
    const { make, sameAsNew } = await growing('columns');
    const manifest = async (text: string) => {
      writeFileSync(at('columns/m.csv'), text);
      return imagesOfManifest(at('columns/m.csv'));
    };
    await make('t.csv', {}, await manifest('id,image\n1,in/00.png\n2,in/01.png\n'));
    const other = await manifest('id,image,a-b\nx,in/01.png,5\ny,in/00.png,6\n');
    const form = { columns: 'features-first', names: 'sql' } as const;
    const { extracted } = await make('t.csv', { extend: true, ...form }, other);
    t.equal(extracted, 0);
    await sameAsNew(t, form, other);
  },
);

t.test('another network is refused as ever; a listed image that is missing keeps its row', async (t) => {
  const { folder, make, list } = await growing('refused');
  await make('t.csv');
  await draw(join(folder, '99.png'), 43);
  const other = { ...pixelExtractor({ passSize: 1, settings: { model: 'other' } }) };
  const options = { output: at('refused/t.csv'), extend: true };
  await t.rejects(extractTable(other, await list(), options), {
    code: 'TABLE',
    message: /settings\.model.*\nChoose another --output/s,
  });
  const listed = await list();
  rmSync(join(folder, '02.png'));
  const { rows, extension } = await make('t.csv', { extend: true }, listed);
  t.equal(rows, 11);
  t.match(extension, { kept: 10, added: 1, changed: 0, removed: 0 });
});

t.test('a table with a row for each view of a panorama is refused by name, and stays as it is', async (t) => {
  const { folder, list, make } = await growing('views');
  const views = async () => listPanoramaViews(await list(), { views: 2 });
  await make('t.csv', {}, await views());
  const before = readFileSync(at('views', 't.csv'), 'utf8');
  await draw(join(folder, '10.png'), 43);
  await t.rejects(make('t.csv', { extend: true }, await views()), {
    code: 'TABLE',
    message: /row for each view of a panorama cannot be extended.*--panorama-rows mean/,
  });
  t.equal(readFileSync(at('views', 't.csv'), 'utf8'), before);
});

t.test('a stop while files are compared, or later, loses nothing', async (t) => {
  const { folder, make, sameAsNew } = await growing('stopped');
  await make('t.csv');
  await change(folder);
  const stopped = new AbortController();
  const early = make('t.csv', { extend: true, signal: stopped.signal });
  stopped.abort(new DinoSegError('ABORTED', 'enough'));
  await t.rejects(early, { code: 'ABORTED' });
  const later = new AbortController();
  const onProgress = (done: number) => done === 8 && later.abort(new DinoSegError('ABORTED', 'enough'));
  await t.rejects(make('t.csv', { extend: true, signal: later.signal, onProgress }), { code: 'ABORTED' });
  t.equal((await make('t.csv')).extracted, 2, 'it goes on without --extend, too');
  await sameAsNew(t);
});

t.test('a kill between the files of the new run leaves the old one or the new one', async (t) => {
  const { folder, make, sameAsNew } = await growing('between');
  const files = at('between/t_csv_files');
  const read = () => JSON.parse(readFileSync(join(files, 'resume/run.json'), 'utf8')) as TableIdentity;
  await make('t.csv');
  cpSync(files, at('between/old'), { recursive: true });
  await change(folder);
  await make('t.csv', { extend: true });
  cpSync(files, at('between/extended'), { recursive: true });
  const next = `resume/journal-${identityId(read())}.jsonl`;
  const state = (journal: string, run: string) => {
    rmSync(files, { recursive: true });
    cpSync(at('between/old'), files, { recursive: true });
    cpSync(at('between/extended/resume/journal.jsonl'), join(files, next));
    cpSync(at(`between/${run}/resume/run.json`), join(files, 'resume/run.json'));
    t.comment(journal);
  };
  state('before run.json is replaced', 'old');
  t.match(await make('t.csv', { extend: true }), { extracted: 3, extension: { kept: 7 } });
  await sameAsNew(t);
  state('before the journal is', 'extended');
  t.match(await make('t.csv'), { extracted: 0 });
  await sameAsNew(t);
});
