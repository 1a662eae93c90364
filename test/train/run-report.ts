/** report.html of training runs. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { decodeLabel } from '../../lib/data/decode.js';
import { cacheDtypes } from '../../lib/cache/key.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { openHead } from '../../lib/model/open-head.js';
import { scoringOf } from '../../lib/model/scoring.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import type { Evaluation } from '../../lib/evaluate/evaluation.js';
import { asFlags, readMetrics, tinySettings } from '../helpers/tiny-run.js';
import { agreement } from '../helpers/passes.js';
import { runCommand } from '../helpers/command-line.js';

const root = t.testdir();
const settings = await tinySettings(root, { train: 6, val: 3 });
const classSet = await loadClassSet('idd26');
const val = await SegmentationDataset.open(settings.data, 'val', classSet);
const model = await SegmentationModel.load(settings.model);
const at = (name: string) => join(root, name);
const reportOf = (name: string) => readFileSync(join(at(name), 'report.html'), 'utf8');

/** The class maps in a report, by their role. */
async function mapsIn(report: string, role: 'prediction' | 'truth') {
  const found = [
    ...report.matchAll(new RegExp(`data-role="${role}"[^>]*><img src="data:image/png;base64,([^"]+)"`, 'g')),
  ];
  return Promise.all(found.map(([, base64]) => decodeLabel(Buffer.from(base64!, 'base64'))));
}

/** What the saved head makes of the validation images on the network itself. */
async function expectedMaps(name: string) {
  using head = await openHead(join(at(name), 'best.safetensors'));
  const maps: Uint8Array[] = [];
  const options = { head, imageSize: 64, scoring: scoringOf(head, classSet) };
  for (const { image } of val.pairs) maps.push((await model.segment(image, options)).data);
  return maps;
}

async function checkPictures(t: Test, name: string): Promise<void> {
  const report = reportOf(name);
  const kinds = [...report.matchAll(/<section id="s\d" class="(\w+)-section"/g)].map(([, kind]) => kind);
  t.same(kinds.slice(0, 3), ['figures', 'examples', 'curves'], 'pictures come first');
  const [predictions, truths] = [await mapsIn(report, 'prediction'), await mapsIn(report, 'truth')];
  t.same([predictions.length, truths.length], [3, 3]);
  const shown = [...report.matchAll(/<article data-name="([^"]+)" data-iou="([^"]+)"/g)];
  const ious = shown.map(([, , iou]) => Number(iou));
  t.same(
    ious,
    [...ious].sort((a, b) => a - b),
    'the lowest IoU first',
  );
  const order = shown.map(([, name]) => val.pairs.findIndex((pair) => pair.name === name));
  const maps = await expectedMaps(name);
  for (const [place, i] of order.entries()) {
    const share = agreement(predictions[place]!.data as Uint8Array, maps[i]!);
    // Records are rounded, and scores of a random network lie close together.
    t.ok(share > 0.97, `image ${i}: ${share}`);
    t.same([...truths[place]!.data], [...(await val.load(i)).label.data]);
  }
}

t.test('a live run leaves a report of its epochs, its best head and its settings', async (t) => {
  const { report, reportError, best } = await train({ ...settings, out: at('live') });
  t.same([report, reportError], [join(at('live'), 'report.html'), undefined]);
  const page = reportOf('live');
  const lines = readMetrics(at('live'));
  t.equal(lines.length, 3);
  const best1 = `${(100 * best!.mIoU).toFixed(1)} %`;
  for (const text of [
    `<dd>${best1}<small>epoch ${best!.epoch}</small>`,
    '>learningRate<',
    '0.002 (default 0.0001)',
    '>libtorch<',
  ])
    t.ok(page.includes(text), text);
  for (const { mIoU } of lines)
    t.ok(page.includes(`<td class="number">${(100 * (mIoU as number)).toFixed(2)} %</td>`));
  await checkPictures(t, 'live');
  const kept = JSON.parse(readFileSync(join(at('live'), 'best-evaluation.json'), 'utf8')) as Evaluation & {
    epoch: number;
  };
  t.match(kept, { epoch: best!.epoch, mIoU: best!.mIoU, images: 3 });
  t.equal(kept.confusion.length, 26);
});

for (const cacheDtype of cacheDtypes)
  t.test(`pictures of a run on a ${cacheDtype} cache are those of its head on the network`, async (t) => {
    const name = `cached-${cacheDtype}`;
    await train({
      ...settings,
      mode: 'cached',
      out: at(name),
      cache: at(`records-${cacheDtype}`),
      cacheDtype,
    });
    await checkPictures(t, name);
    t.match(reportOf(name), /<td>15 records made in [^;<]+</, 'a fresh cache has none of earlier runs');
  });

t.test('a linear probe has pictures, too', async (t) => {
  await train({
    ...settings,
    mode: 'cached',
    out: at('probe'),
    headKind: 'linear_probe',
    accumulate: 1,
    batchSize: 2,
  });
  const head = await openHead(join(at('probe'), 'best.safetensors'));
  t.ok(head instanceof LinearProbe);
  head.dispose();
  await checkPictures(t, 'probe');
});

t.test('the report of a sweep has a row and a line for each head', async (t) => {
  const result = await train({
    ...settings,
    mode: 'cached',
    out: at('sweep'),
    sweep: 'lr=1e-3,1e-2;loss=cross-entropy,mask2former',
  });
  const page = reportOf('sweep');
  for (const { head, best } of result.heads!) {
    t.ok(page.includes(`>head ${head}</li>`), `line ${head}`);
    t.ok(
      page.includes(`<th scope="row">${head}</th><td class="number" data-sort="${best!.mIoU}">`),
      `row ${head}`,
    );
  }
  await checkPictures(t, 'sweep');
  await train({ ...settings, mode: 'cached', out: at('folds'), folds: 2 });
  t.equal((await mapsIn(reportOf('folds'), 'prediction')).length, 0, 'heads of folds are not for use');
  t.match(reportOf('folds'), /head 1<\/li>/);
});

t.test('a resumed run has the report of one that never stopped', async (t) => {
  const controller = new AbortController();
  const hooks = {
    signal: controller.signal,
    onEpoch: ({ epoch }: { epoch: number }) => epoch === 2 && controller.abort(),
  };
  await t.rejects(train({ ...settings, out: at('stopped') }, hooks), { code: 'ABORTED' });
  await train({ out: at('stopped') }, { resume: true });
  // What the clock says, and where it lies.
  const same = (name: string) =>
    reportOf(name)
      .replace(/<section id="s6".*/s, '')
      .replaceAll(at(name), 'RUN');
  t.equal(same('stopped'), same('live'));
});

t.test('a report that cannot be written is told, and costs the run nothing', async (t) => {
  const log: string[] = [];
  mkdirSync(join(at('taken'), 'report.html/below'), { recursive: true });
  const result = await train({ ...settings, out: at('taken') }, { onLog: (line) => log.push(line) });
  t.equal(result.report, null);
  t.match(result.reportError, { code: 'IO', message: /report\.html could not be written/ });
  t.equal(log.filter((line) => line.startsWith('IO: ')).length, 1, 'once');
  t.equal(result.epochs, 3);
  const head = await ClassHead.load(join(at('taken'), 'best.safetensors'));
  t.equal(head.metadata.mIoU, result.best!.mIoU);
  head.dispose();
  rmSync(join(at('taken'), 'report.html'), { recursive: true });
  const { report } = await train({ out: at('taken') }, { resume: true });
  t.equal(report, join(at('taken'), 'report.html'), 'made by resuming the finished run');
});

t.test('the command ends with 1 where the report could not be written', async (t) => {
  mkdirSync(join(at('command'), 'report.html/below'), { recursive: true });
  const { code, stdout, stderr } = await runCommand([
    'train',
    ...asFlags({ ...settings, out: at('command'), epochs: 1 }),
    '--json',
  ]);
  t.equal(code, 1);
  t.match(JSON.parse(stdout), { epochs: 1, report: null });
  t.match(stderr, /IO: .*report\.html could not be written; the results are complete/);
});

t.test('settings of the configuration are all listed', async (t) => {
  const { config } = JSON.parse(readFileSync(join(at('live'), 'config.json'), 'utf8')) as {
    config: TrainConfig;
  };
  for (const key of Object.keys(config)) t.ok(reportOf('live').includes(`<th scope="row">${key}</th>`), key);
});
