/** `dinov3-seg data check`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { DataCheck } from '../../lib/data/check.js';
import { decodeImage } from '../../lib/data/decode.js';
import { writeShippedScenes } from '../../lib/demo/shipped-scenes.js';
import { findLibtorch } from '../../lib/native/libtorch/find-libtorch.js';
import { runCommand } from '../helpers/command-line.js';
import { expectedFaults, writeFaultyData } from '../helpers/faulty-data.js';

t.test('faults are named by kind and file, with exit code 1', async (t) => {
  const root = await writeFaultyData(t);
  const sheet = join(root, 'sheets/sheet.png');
  const { code, stdout, stderr } = await runCommand(['data', 'check', root, '--sheet', sheet]);
  t.equal(code, 1, stderr);
  for (const path of Object.keys(expectedFaults)) t.match(stdout, join(root, path));
  t.match(stdout, /^train: 8 pairs, 62 pixels with a class, 1 without \(1\.59 %\)$/m);
  t.match(stdout, /^class +share +pixels +images\nroad +41\.94 % +26 +3\n/m);
  t.match(stdout, /^test: skipped\. /m);
  t.match(stdout, /^2 images or labels without a counterpart\n {2}train {2}/m);
  t.match(stdout, /^9 faults$/m);
  t.match(stderr, `contact sheet: ${sheet}`);
  t.ok((await decodeImage(sheet)).width > 1000);

  const json = await runCommand(['data', 'check', root, '--json']);
  t.equal(json.code, 1);
  const { faults } = JSON.parse(json.stdout) as DataCheck;
  t.equal(faults.length, 9);
});

t.test('whole data end with exit code 0; a share for validation is counted as a split', async (t) => {
  const root = join(t.testdir(), 'data');
  await writeShippedScenes(root, 'data', { train: 4, val: 1 });
  const whole = await runCommand(['data', 'check', root]);
  t.equal(whole.code, 0, whole.stderr);
  t.match(whole.stdout, /no faults found\n$/);
  t.match(whole.stdout, /^classes without pixels: .*bridge/m);
  const own = await runCommand(['data', 'check', root, '--val-share', '0.5']);
  t.equal(own.code, 1);
  t.match(own.stdout, /splits that cannot be read\n.*already has a split "val"/);
});

t.test('data are found by patterns, which the next command repeats', async (t) => {
  const root = join(t.testdir(), 'data');
  await writeShippedScenes(root, 'data', { train: 2, val: 1 });
  const patterns = [
    ...['--images', 'leftImg8bit/{split}/**/{name}_leftImg8bit.{png,jpg}'],
    ...['--labels', 'gtFine/{split}/**/{name}_gtFine_{kind}.png'],
  ];
  const { code, stdout, stderr } = await runCommand(['data', 'check', root, ...patterns]);
  t.equal(code, 0, stderr + stdout);
  t.match(stdout, /: layout pattern, class set idd26, labels read as labellevel3Ids\n\ntrain: 2 pairs/);
  const [, images, , labels] = patterns;
  t.ok(stderr.includes(`--data ${root} --images '${images}' --labels '${labels}' --out RUN`), stderr);
  t.equal((await runCommand(['data', 'check', root, ...patterns.slice(0, 2)])).code, 2);
});

t.test('a contact sheet is the same without fonts, and nothing is said about them', async (t) => {
  const root = join(t.testdir({ fonts: '<fontconfig></fontconfig>' }), 'data');
  await writeShippedScenes(root, 'data', { train: 1, val: 1 });
  const sheet = async (env: Record<string, string>): Promise<Buffer> => {
    const path = join(root, 'sheet.png');
    const { stderr } = await runCommand(['data', 'check', root, '--quiet', '--sheet', path], env);
    t.equal(stderr, '');
    return readFile(path);
  };
  const usual = await sheet({});
  const nowhere = '/nonexistent';
  const bare = { FONTCONFIG_FILE: join(t.testdirName, 'fonts'), HOME: nowhere, XDG_CACHE_HOME: nowhere };
  t.ok(usual.equals(await sheet({ ...bare, LIBTORCH: findLibtorch().root })));
});

t.test('what is no data is an error, and what is no action wrong usage', async (t) => {
  const none = await runCommand(['data', 'check', t.testdir(), '--sheet', join(t.testdirName, 'sheet.png')]);
  t.equal(none.code, 1);
  t.match(none.stderr, /^DATASET: .*matches no known layout/m);
  t.notOk(existsSync(join(t.testdirName, 'sheet.png')));
  t.equal((await runCommand(['data', 'chek', '.'])).code, 2);
  t.equal((await runCommand(['data', 'check'])).code, 2);
  t.equal((await runCommand(['data', 'check', '.', '--layout', 'voc'])).code, 2);
});
