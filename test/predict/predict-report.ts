/** Reports of predictions. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { predict } from '../../lib/predict/predict.js';
import { runCommand } from '../helpers/command-line.js';
import { indicesIn } from '../helpers/report.js';
import { scenesAndHead } from '../helpers/scenes-and-head.js';

const root = t.testdir();
const at = (...parts: string[]) => join(root, ...parts);
const { classSet, dataset, model, head, flags } = await scenesAndHead(root);

t.test('predict writes a report of some of the images, and none where it is not to', async (t) => {
  const images = dataset.pairs.map(({ image }) => image);
  writeFileSync(at('broken<b>.png'), randomBytes(50));
  const written = await runCommand([
    'predict',
    ...flags,
    '--output',
    at('out'),
    ...images,
    at('broken<b>.png'),
  ]);
  t.equal(written.code, 1, 'one image is broken');
  t.match(written.stderr, /^report: .*out\/report\.html$/m);
  const page = readFileSync(at('out/report.html'), 'utf8');
  const predictions = await indicesIn(page, 'prediction');
  t.equal(predictions.length, 5);
  t.same(predictions[0], [...(await model.segment(images[0]!, { head, imageSize: 64 })).data]);
  t.match(page, /broken&lt;b&gt;\.png<\/th><td>IMAGE</);
  const without = await runCommand([
    'predict',
    ...flags,
    '--output',
    at('bare'),
    images[0]!,
    '--no-report',
    '--json',
  ]);
  t.equal(without.code, 0, without.stderr);
  t.match(JSON.parse(without.stdout), { report: null });
  t.notOk(existsSync(at('bare/report.html')));
  const silent = await predict(model, images.slice(0, 1), {
    head,
    classSet,
    output: at('lib'),
    imageSize: 64,
  });
  t.equal(silent.report, null);
  t.same(
    readdirSync(at('lib')).filter((name) => name !== 'predictions.jsonl'),
    [basename(silent.written[0]!.folder)],
  );
});

t.test('predictions are there where their report cannot be written', async (t) => {
  mkdirSync(at('taken.html/below'), { recursive: true });
  const image = dataset.pairs[0]!.image;
  const options = { head, classSet, output: at('kept'), imageSize: 64, report: at('taken.html') };
  const { written, report, reportError } = await predict(model, [image], options);
  t.equal(report, null);
  t.match(reportError, { code: 'IO' });
  t.ok(existsSync(join(written[0]!.folder, 'segmentation_raw.npy')));
});

t.test('where no image can be read, the report shows neither pictures nor shares', async (t) => {
  writeFileSync(at('none.png'), randomBytes(40));
  await predict(model, [at('none.png')], {
    ...{ head, classSet, output: at('nothing'), imageSize: 64, report: at('nothing.html') },
  });
  const page = readFileSync(at('nothing.html'), 'utf8');
  t.match(page, /0 images segmented with/);
  t.match(page, /none\.png<\/th><td>IMAGE</);
  t.notMatch(page, /class="examples-section"|<h2[^>]*>Classes/);
});

t.test('of many images some are shown and all are counted', async (t) => {
  const many: string[] = [];
  for (let i = 0; i < 20; i++) {
    many.push(at(`${i}.png`));
    writeFileSync(many[i]!, readFileSync(dataset.pairs[i % 5]!.image));
  }
  await predict(model, many, { head, classSet, output: at('many'), imageSize: 64, report: at('many.html') });
  const page = readFileSync(at('many.html'), 'utf8');
  t.equal((await indicesIn(page, 'prediction')).length, 16);
  t.match(page, /16 of 20 images, spread evenly/);
  t.match(page, /<dt>Images<\/dt><dd>20</);
});

t.test('images that cannot be read give their places in the report to others', async (t) => {
  const many: string[] = [];
  for (let i = 0; i < 20; i++) {
    many.push(at(`mixed-${i}.png`));
    writeFileSync(many[i]!, i % 5 === 0 ? 'no image' : readFileSync(dataset.pairs[0]!.image));
  }
  await predict(model, many, {
    head,
    classSet,
    output: at('mixed'),
    imageSize: 64,
    report: at('mixed.html'),
  });
  const page = readFileSync(at('mixed.html'), 'utf8');
  const pictures = (await indicesIn(page, 'prediction')).length;
  t.equal(pictures, 16);
  t.match(page, /16 images segmented with/);
  t.notMatch(page, /spread evenly/, 'all of those that could be read are shown');
});
