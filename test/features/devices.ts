/** Tables that several devices make: the bytes are those of one device. `cpu,cpu` are two lanes on one device. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage } from '../../lib/data/decode.js';
import { DinoSegError } from '../../lib/errors.js';
import { extractTable, type ExtractTableOptions } from '../../lib/features/extract-table.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { Admission, imageAdmission } from '../../lib/model/admission.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { runCommand, startProgram } from '../helpers/command-line.js';
import { pixelExtractor, type PixelExtractorOptions } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const folder = at('in');
const count = 20;
await writePictures(folder, count);
const images = await imagesOfPaths([folder]);
const journalOf = (output: string) => readFileSync(at(`${output}_csv_files/resume/journal.jsonl`));
const same = (a: string, b: string) =>
  readFileSync(at(`${a}.csv`)).equals(readFileSync(at(`${b}.csv`))) && journalOf(a).equals(journalOf(b));

const extract = (
  output: string,
  extractor: PixelExtractorOptions,
  options: Partial<ExtractTableOptions> = {},
) =>
  extractTable(pixelExtractor({ passSize: 3, company: true, ...extractor }), images, {
    output: at(`${output}.csv`),
    ...options,
  });
await extract('one', {});

/** Later passes end before earlier ones. */
const unordered = (): PixelExtractorOptions => {
  let begun = 0;
  return { concurrency: 3, hold: () => sleep([20, 1, 8][begun++ % 3]) };
};

t.test('passes that end in another order give the table and the journal of one at a time', async (t) => {
  let running = 0;
  let most = 0;
  const { hold } = unordered();
  let meet = () => {};
  const threeAreRunning = new Promise<void>((resolve) => (meet = resolve));
  const counted = async () => {
    most = Math.max(most, ++running);
    if (running === 3) meet();
    await threeAreRunning;
    await hold!();
    running--;
  };
  const told: number[] = [];
  const onProgress = (done: number) => told.push(done);
  const summary = await extract('unordered', { concurrency: 3, hold: counted }, { onProgress });
  t.equal(most, 3, 'as many at a time as the extractor takes');
  t.same(told, [0, 3, 6, 9, 12, 15, 18, 20]);
  t.equal(summary.rows, count);
  t.ok(summary.waitingShare! >= 0 && summary.waitingShare! <= 1);
  t.ok(same('unordered', 'one'));
});

t.test('a run killed with three at a time goes on one at a time, and the other way round', async (t) => {
  const script = join(import.meta.dirname, '../helpers/extract-pixels.mjs');
  const start = (output: string, concurrency: number, holdAt?: number) => {
    const extractor = { passSize: 3, company: true, concurrency };
    const job = { paths: [folder], extractor, options: { output: at(`${output}.csv`) }, holdAt };
    return startProgram(process.execPath, [script, JSON.stringify(job)]);
  };
  for (const [first, second] of [
    [3, 1],
    [1, 3],
  ] as const) {
    const output = `killed-${first}`;
    const { child, ended } = start(output, first, 9);
    child.stdout!.on('data', (text: string) => {
      if (text.split('\n').includes('held')) child.kill('SIGKILL');
    });
    t.equal((await ended).signal, 'SIGKILL');
    t.notOk(existsSync(at(`${output}.csv`)));
    const again = await start(output, second).ended;
    t.equal(again.code, 0, again.stderr);
    t.equal(Number(again.stdout.split('\n')[0]), 9, 'the passes before the one that was held');
    t.ok(same(output, 'one'));
  }
});

t.test('a pass that fails ends the others; those before it are kept', async (t) => {
  let ended = 0;
  let begun = 0;
  const own = pixelExtractor({ passSize: 3, company: true, concurrency: 3 });
  const failing = {
    ...own,
    extract: async (...[pass, { signal }]: Parameters<typeof own.extract>) => {
      const place = begun++;
      if (place === 3) {
        await sleep(5);
        throw new DinoSegError('OUT_OF_MEMORY', 'none left');
      }
      await (place < 3 ? sleep(15) : sleep(1e6, undefined, { signal: signal! }).catch(() => {}));
      ended++;
      return own.extract(pass, {});
    },
  };
  const run = extractTable(failing, images, { output: at('failed.csv') });
  await t.rejects(run, { code: 'OUT_OF_MEMORY' });
  t.equal(ended, begun - 1, 'none is left running');
  t.ok(begun <= 6, `${begun} begun`);
  t.notOk(existsSync(at('failed.csv')));
  const { extracted } = await extract('failed', {});
  t.equal(extracted, count - 9);
  t.ok(same('failed', 'one'));
});

t.test('a stop is heard by all passes; going on gives the bytes of one run', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new DinoSegError('ABORTED', 'enough');
  const onProgress = (done: number) => done === 6 && controller.abort(reason);
  await t.rejects(extract('stopped', unordered(), { signal, onProgress }), reason);
  const log: string[] = [];
  await extract('stopped', unordered(), { onLog: (line) => log.push(line) });
  t.same(log, ['6 of 20 images were already done.']);
  t.ok(same('stopped', 'one'));
});

t.test('networks on two devices', async (t) => {
  const [model, detector, head] = [at('seg.pt'), at('det.pt'), at('head.safetensors')];
  await initModel({ arch: 'tiny', seed: 1, out: model });
  await initModel({ arch: 'tiny-detector', seed: 1, out: detector });
  const { hidden } = await SegmentationModel.load(model, { device: 'cpu' });
  await ClassHead.create({ hidden, classes: await loadClassSet('idd26'), seed: 1 }).save(head);
  const networks = { model, head, imageSize: 64, passSize: 3 };
  const counts = { detector, detectorSize: 96, threshold: 0.3 };

  for (const [features, options] of [
    [26, networks],
    [36, { ...networks, ...counts }],
  ] as const)
    t.test(`the table of ${features} features is that of one device, byte for byte`, async (t) => {
      for (const [name, device] of [
        ['single', 'cpu'],
        ['double', 'cpu,cpu'],
      ] as const) {
        await using extractor = await openFeatureExtractor({ ...options, device });
        t.equal(extractor.columns.length, features + 1, 'and the unassigned rest');
        t.same(extractor.devices, device.split(','));
        await extractTable(extractor, images, { output: at(`${name}-${features}.csv`) });
      }
      t.ok(same(`single-${features}`, `double-${features}`));
    });

  t.test('each device may hold as many pixels as one alone', async (t) => {
    const entered = t.capture(imageAdmission, 'enter', Admission.prototype.enter);
    await using extractor = await openFeatureExtractor({ ...networks, ...counts, device: 'cpu,cpu' });
    const image = await decodeImage(images.entries[0]!.path);
    entered(); // What opening has called.
    await extractor.extract([image, image], {});
    const times = entered().map(({ args }) => args[1]);
    t.same(times, [2, 2], 'the segmentor, and the detector');
  });

  t.test('begun on two, stopped, gone on with on one', async (t) => {
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error('enough');
    {
      await using extractor = await openFeatureExtractor({ ...networks, ...counts, device: ['cpu', 'cpu'] });
      const onProgress = (done: number) => done >= 6 && controller.abort(reason);
      const run = extractTable(extractor, images, { output: at('both.csv'), signal, onProgress });
      await t.rejects(run, reason);
    }
    await using extractor = await openFeatureExtractor({ ...networks, ...counts, device: 'cpu' });
    const { extracted } = await extractTable(extractor, images, { output: at('both.csv') });
    t.ok(extracted > 0 && extracted <= count - 6, `${extracted} images were left`);
    t.ok(same('both', 'single-36'));
  });

  t.test('the command takes a list of devices, and its report names them', async (t) => {
    const { code, stderr } = await runCommand([
      ...['features', folder, '--output', at('command.csv'), '--device', 'cpu,cpu'],
      ...['--model', model, '--head', head, '--image-size', '64', '--pass-size', '3'],
    ]);
    t.equal(code, 0, stderr);
    t.ok(same('command', 'single-26'));
    t.match(readFileSync(at('command_csv_files/report.html'), 'utf8'), /Devices<.*cpu, cpu/s);
  });
});
