/** `dinov3-seg prepare`. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { noteOfLabelFile } from '../../lib/data/label-file.js';
import { endHeld, runCommand, shellCode } from '../helpers/command-line.js';
import { handMade } from '../helpers/polygons.js';
import { writeTree } from '../helpers/temporary.js';

/** Each a little different. */
function annotation(i: number): string {
  const { annotation } = handMade();
  const objects = annotation.objects.slice(0, 20 + (i % 20));
  return JSON.stringify({ imgWidth: 400, imgHeight: 300 + i, objects });
}

const count = 40;
const files = Object.fromEntries(
  Array.from({ length: count }, (_, i) => [`gtFine/train/a/${i}_gtFine_polygons.json`, annotation(i)]),
);
const images = (root: string) =>
  readdirSync(join(root, 'gtFine/train/a')).filter((name) => name.endsWith('.png'));
const contents = (root: string) =>
  new Map(images(root).map((name) => [name, readFileSync(join(root, 'gtFine/train/a', name))]));

let expected: Map<string, Buffer>;
t.before(async () => {
  const root = await writeTree(t, files);
  const { code, stdout, stderr } = await runCommand(['prepare', 'idd', root]);
  t.equal(code, 0, stderr);
  t.equal(stdout, `${root}: ${count} label images made, 0 up to date\n`);
  t.match(stderr, /40 annotations in [\d.]+ s, \d+ per second\./);
  expected = contents(root);
  t.equal(expected.size, count);
});

for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const)
  t.test(`ended by ${signal} and run again, the label images are those of one run`, async (t) => {
    const root = await writeTree(t, files);
    const end = await endHeld(['prepare', 'idd', root, '--jobs', '2'], { file: '.png', count: 10 }, signal);
    if (signal === 'SIGKILL') t.equal(end.signal, signal);
    else {
      t.equal(shellCode(end), 128 + constants.signals[signal]);
      t.match(end.stderr, `ABORTED: Stopped by ${signal}.\nnext: run the same command again to continue\n`);
      const others = readdirSync(join(root, 'gtFine/train/a')).filter((name) => name.endsWith('.tmp'));
      t.same(others, [], 'nothing half-written');
    }
    const before = images(root);
    t.ok(before.length >= 10 && before.length < count, `${before.length} label images`);
    for (const [name, bytes] of contents(root)) t.equal(noteOfLabelFile(bytes)?.damaged, false, name);
    const again = await runCommand(['prepare', 'idd', root, '--json']);
    t.equal(again.code, 0, again.stderr);
    t.match(JSON.parse(again.stdout), { written: count - before.length, upToDate: before.length });
    const made = contents(root);
    t.same([...made.keys()].sort(), [...expected.keys()].sort());
    t.ok([...made].every(([name, bytes]) => bytes.equals(expected.get(name)!)));
  });

t.test('faults are listed at the end, with exit code 1; --strict ends at the first', async (t) => {
  const root = await writeTree(t, {
    'a/1_gtFine_polygons.json': annotation(1),
    'a/2_gtFine_polygons.json': '{}',
    'a/3_gtFine_polygons.json': annotation(1).replace('"sky"', '"skyy"'),
  });
  writeFileSync(join(root, 'a/1_gtFine_labellevel3Ids.png'), 'of someone else');
  const refuse = ['--unknown', 'refuse'];
  const { code, stdout, stderr } = await runCommand(['prepare', 'idd', root, ...refuse]);
  t.equal(code, 1);
  t.match(stdout, /0 label images made, 0 up to date/);
  t.match(
    stderr,
    /Kept 1 label image that other tools made \(first: .*1_gtFine_labellevel3Ids\.png\); --force/,
  );
  t.match(
    stderr,
    /2 annotations failed:\nDATASET: .*2_gtFine_polygons\.json .*imgHeight.*\nDATASET: .*3_gtFine_polygons\.json .*"skyy".*Did you mean "sky"/,
  );
  const ignored = await runCommand(['prepare', 'idd', root, '--force', '--json']);
  t.equal(ignored.code, 1);
  t.match(JSON.parse(ignored.stdout), {
    written: 2,
    faults: [{ code: 'DATASET' }],
    unknownLabels: { skyy: 1 },
  });
  t.match(
    ignored.stderr,
    /warning: 1 object with unknown labels drawn without a class \(255\): "skyy" \(1\)\./,
  );
  const strict = await runCommand(['prepare', 'idd', root, '--strict', ...refuse]);
  t.equal(strict.code, 1);
  t.match(strict.stderr, /^DATASET: Stopped at the first fault\. .*2_gtFine_polygons\.json/m);
});

t.test('what is no kind of data set or lacks its folder is wrong usage', async (t) => {
  const wrong = await runCommand(['prepare', 'id', '.']);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /prepare expects one of idd, not "id"\. Did you mean "idd"\?/);
  const missing = await runCommand(['prepare', 'idd']);
  t.equal(missing.code, 2);
  t.match(missing.stderr, /Missing idd DIR/);
});
