/** Label images of a folder of IDD's polygons. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decodeLabel, encodePng } from '../../lib/data/decode.js';
import { noteOfLabelFile } from '../../lib/data/label-file.js';
import { decodePolygons } from '../../lib/data/polygons.js';
import { prepareIdd } from '../../lib/data/prepare-idd.js';
import { handMade } from '../helpers/polygons.js';
import { writeTree } from '../helpers/temporary.js';

const whole = JSON.stringify(handMade().annotation);
const small = (label: string) =>
  JSON.stringify({ imgHeight: 3, imgWidth: 5, objects: [{ label, polygon: [[0, 0], [4, 0], [4, 1], [0, 1]] }] }); // prettier-ignore

const first = 'gtFine/train/a/1_gtFine_polygons.json';
const second = 'gtFine/val/b/2_gtFine_polygons.json';
const imageOf = (path: string) => path.replace('polygons.json', 'labellevel3Ids.png');

/** A folder of two annotations. */
function folder(t: Test, more: Record<string, string> = {}): Promise<string> {
  return writeTree(t, { [first]: whole, [second]: small('car'), 'gtFine/train/a/notes.txt': '', ...more });
}

t.test('each annotation gets its label image beside it, the same as drawn directly', async (t) => {
  const root = await folder(t);
  const heard: number[][] = [];
  const summary = await prepareIdd(root, { onProgress: (...figures) => heard.push(figures) });
  t.match(summary, { annotations: 2, written: 2, upToDate: 0, kept: [], faults: [], unknownLabels: {} });
  t.same(heard, [[1, 2], [2, 2]]); // prettier-ignore
  t.ok(summary.annotationsPerSecond! > 0);
  const { data, width, height } = await decodePolygons(join(root, first));
  t.same(await decodeLabel(join(root, imageOf(first))), { data, width, height });
  t.same(
    [...(await decodeLabel(join(root, imageOf(second)))).data].slice(0, 11),
    [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255],
  );
  t.same(readdirSync(join(root, 'gtFine/val/b')).sort(), [
    '2_gtFine_labellevel3Ids.png',
    '2_gtFine_polygons.json',
  ]);
});

t.test('a parallel tree is made, and parts of a data set and links are taken', async (t) => {
  const root = await folder(t);
  const out = join(root, 'labels');
  symlinkSync(join(root, 'gtFine/val'), join(root, 'gtFine/train/linked'));
  t.equal((await prepareIdd(join(root, 'gtFine/train'), { out, jobs: 1 })).written, 2);
  t.ok(existsSync(join(out, 'a/1_gtFine_labellevel3Ids.png')));
  t.ok(existsSync(join(out, 'linked/b/2_gtFine_labellevel3Ids.png')));
  t.notOk(existsSync(join(root, imageOf(first))));
});

t.test('what is up to date is left alone: by what the annotation holds, not by times', async (t) => {
  const root = await folder(t);
  await prepareIdd(root);
  const image = join(root, imageOf(first));
  const before = statSync(image).ino;
  const future = Date.now() / 1000 + 1000;
  utimesSync(join(root, first), future, future);
  t.match(await prepareIdd(root), { written: 0, upToDate: 2, annotationsPerSecond: null });
  t.equal(statSync(image).ino, before);

  t.test('an annotation that changed', async (t) => {
    const past = new Date(0);
    writeFileSync(join(root, second), small('bus'));
    utimesSync(join(root, second), past, past);
    t.match(await prepareIdd(root), { written: 1, upToDate: 1 });
    t.equal((await decodeLabel(join(root, imageOf(second)))).data[0], 11);
  });
  const bytes = readFileSync(image);
  const damages: Record<string, (path: string) => void> = {
    'cut off': (path) => writeFileSync(path, bytes.subarray(0, -1)),
    'without its end': (path) => writeFileSync(path, bytes.subarray(0, -12)),
    'a bit turned': (path) =>
      writeFileSync(
        path,
        bytes.map((byte, i) => (i === 300 ? byte ^ 1 : byte)),
      ),
    removed: (path) => rmSync(path),
  };
  for (const [title, damage] of Object.entries(damages))
    t.test(`a label image ${title}`, async (t) => {
      damage(image);
      t.match(await prepareIdd(root), { written: 1, upToDate: 1 });
      t.ok(readFileSync(image).equals(bytes));
    });
  t.test('force makes all anew', async (t) => {
    const { ino } = statSync(image);
    t.match(await prepareIdd(root, { force: true }), { written: 2, upToDate: 0 });
    t.not(statSync(image).ino, ino);
    t.ok(readFileSync(image).equals(bytes));
  });
});

t.test('label images made by other means are kept and named, and replaced with force only', async (t) => {
  const root = await folder(t);
  const image = join(root, imageOf(second));
  const foreign = await encodePng(new Uint8Array(15), 5, 3, 1);
  writeFileSync(image, foreign);
  writeFileSync(join(root, imageOf(first)), '');
  t.match(await prepareIdd(root), { written: 0, upToDate: 0, kept: [join(root, imageOf(first)), image] });
  t.ok(readFileSync(image).equals(foreign));
  t.match(await prepareIdd(root, { force: true }), { written: 2, kept: [] });
  t.match(noteOfLabelFile(readFileSync(image)), {
    note: /^IDD level 3, polygons 2, SHA-256 [0-9a-f]{64}$/,
    damaged: false,
  });
});

t.test('a faulty annotation is named and the others are made; strict stops', async (t) => {
  const broken = 'gtFine/train/a/0_gtFine_polygons.json';
  const root = await folder(t, { [broken]: small('trukc'), 'gtFine/train/a/9_gtFine_polygons.json': '{' });
  mkdirSync(join(root, 'gtFine/train/a/8_gtFine_polygons.json'));
  symlinkSync(join(root, 'nowhere'), join(root, 'gtFine/train/a/7_gtFine_polygons.json'));
  const { written, faults } = await prepareIdd(root, { unknown: 'refuse' });
  t.equal(written, 2);
  t.match(faults, [
    {
      path: join(root, broken),
      code: 'DATASET',
      message: /0_gtFine_polygons\.json .*"trukc".*Did you mean "truck"\?/,
    },
    { path: /7_gtFine/, code: 'FILE_NOT_FOUND' },
    { path: /9_gtFine/, code: 'DATASET', message: /is not JSON/ },
  ]);
  t.notOk(existsSync(join(root, imageOf(broken))));
  await t.rejects(prepareIdd(root, { strict: true, jobs: 1, unknown: 'refuse' }), {
    code: 'DATASET',
    message: /^Stopped at the first fault\. .*0_gtFine_polygons\.json/,
  });
});

t.test(
  'unknown labels are drawn without a class and counted, and refused where that is asked for',
  async (t) => {
    const root = await writeTree(t, { [first]: small('spaceship') });
    const refuse = { unknown: 'refuse' } as const;
    t.equal((await prepareIdd(root, refuse)).faults.length, 1);
    t.match(await prepareIdd(root), {
      written: 1,
      faults: [],
      skippedObjects: {},
      unknownLabels: { spaceship: 1 },
    });
    t.same(new Set((await decodeLabel(join(root, imageOf(first)))).data), new Set([255]));
    t.match(await prepareIdd(root), { written: 0, upToDate: 1, unknownLabels: {} });
    t.match((await prepareIdd(root, refuse)).faults, [{ message: /"spaceship"/ }]);
  },
);

t.test('a signal stops it between files, and what is there is whole', async (t) => {
  const annotations = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`gtFine/train/a/${i}_gtFine_polygons.json`, whole] as const),
  );
  const root = await writeTree(t, annotations);
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = (done: number) => {
    if (done === 5) controller.abort(reason);
  };
  await t.rejects(prepareIdd(root, { jobs: 3, signal: controller.signal, onProgress }), reason);
  const left = readdirSync(join(root, 'gtFine/train/a')).filter((name) => !name.endsWith('.json'));
  t.ok(left.length >= 5 && left.length <= 8, `${left.length} label images`);
  for (const name of left)
    t.equal(noteOfLabelFile(readFileSync(join(root, 'gtFine/train/a', name)))?.damaged, false, name);
  t.match(await prepareIdd(root), { written: 40 - left.length, upToDate: left.length });
  await t.rejects(prepareIdd(root, { signal: AbortSignal.abort(reason) }), reason);
});

t.test('what a killed process left is removed once it is old, and nothing else', async (t) => {
  const root = await folder(t);
  const at = (name: string) => join(root, 'gtFine/train/a', name);
  const names = {
    old: '.1_gtFine_labellevel3Ids.png.0123456789ab.tmp',
    young: '.2_gtFine_labellevel3Ids.png.0123456789ab.tmp',
    other: '.3_gtFine_labelIds.png.0123456789ab.tmp',
  };
  for (const name of Object.values(names)) writeFileSync(at(name), 'x');
  for (const name of [names.old, names.other]) utimesSync(at(name), 1, 1);
  await prepareIdd(root);
  t.notOk(existsSync(at(names.old)));
  t.ok(existsSync(at(names.young)) && existsSync(at(names.other)));
});

t.test(
  'a folder without annotations, one that is absent, and a wrong number of jobs are errors',
  async (t) => {
    const root = await writeTree(t, { 'gtFine/train/a/1_gtFine_labelIds.png': '' });
    await t.rejects(prepareIdd(root), {
      code: 'DATASET',
      message: /contain no \*_gtFine_polygons\.json\. Give the folder/,
    });
    await t.rejects(prepareIdd(join(root, 'nowhere')), { code: 'FILE_NOT_FOUND' });
    await t.rejects(prepareIdd(root, { jobs: 0 }), {
      code: 'INVALID_ARGUMENT',
      message: /jobs should be a whole number/,
    });
  },
);

t.test('a folder that cannot be written to ends the pass', async (t) => {
  const root = await folder(t);
  copyFileSync(join(root, first), join(root, 'file'));
  await t.rejects(prepareIdd(root, { out: join(root, 'file') }), {
    code: 'IO',
    message: /could not be written/,
  });
});
