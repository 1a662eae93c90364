/** Predictions and evaluations on several devices are those of one. `cpu,cpu` are two lanes on one device. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { DinoSegError } from '../../lib/errors.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { evaluationReport } from '../../lib/evaluate/evaluate-report.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import type { SegmentationHead } from '../../lib/model/segmentation-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { predict } from '../../lib/predict/predict.js';
import { runCommand } from '../helpers/command-line.js';
import { writePictures } from '../helpers/pictures.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const { model: path, data } = await tinySettings(root, { val: 10 });
const classSet = await loadClassSet('idd26');
const single = await SegmentationModel.load(path, { device: 'cpu' });
const double = await SegmentationModel.load(path, { device: 'cpu,cpu' });
const head = ClassHead.create({ hidden: single.hidden, classes: classSet, seed: 1 });
const pictures = await writePictures(at('in'), 9);
const common = { head, classSet, imageSize: 64, passSize: 2 };

function sameFolders(t: Test, a: string, b: string): void {
  const names = readdirSync(a, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = names
    .filter(({ name }) => name !== 'predictions.jsonl')
    .map(({ parentPath, name }) => join(parentPath, name).slice(a.length));
  t.ok(files.length > 0);
  for (const file of files) t.ok(readFileSync(a + file).equals(readFileSync(b + file)), file);
}

t.test('predict writes the files of one device, and tells of them in order', async (t) => {
  await predict(single, [at('in')], { ...common, output: at('one') });
  const told: number[] = [];
  const { written } = await predict(
    double,
    [...pictures.slice(0, 4), at('absent.png'), ...pictures.slice(4)],
    {
      ...{ ...common, output: at('two'), report: at('two/report.html') },
      onProgress: (done) => told.push(done),
    },
  );
  t.same(
    written.map(({ image }) => image),
    pictures,
  );
  t.same(told, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  sameFolders(t, at('one'), at('two'));
  t.match(readFileSync(at('two/report.html'), 'utf8'), /Devices<.*cpu, cpu/s);
});

t.test('predict by the command', async (t) => {
  await head.save(at('head.safetensors'));
  const { code, stderr } = await runCommand([
    ...['predict', '--model', path, '--head', at('head.safetensors'), '--device', 'cpu,cpu', '--no-report'],
    ...['--image-size', '64', '--pass-size', '2', '--output', at('command'), at('in')],
  ]);
  t.equal(code, 0, stderr);
  sameFolders(t, at('one'), at('command'));
});

t.test('a failure or a stop ends the passes of all devices', async (t) => {
  let running = 0;
  let begun = 0;
  const { prototype } = SegmentationModel;
  const segmentBatch = Object.getOwnPropertyDescriptor(prototype, 'segmentBatch')!
    .value as typeof prototype.segmentBatch;
  t.intercept(prototype, 'segmentBatch', {
    value: async function (this: SegmentationModel, ...args: Parameters<typeof segmentBatch>) {
      running++;
      try {
        if (begun++ === 2) throw new DinoSegError('OUT_OF_MEMORY', 'none left');
        return await segmentBatch.apply(this, args);
      } finally {
        running--;
      }
    },
  });
  await t.rejects(predict(double, [at('in')], { ...common, output: at('failed') }), {
    code: 'OUT_OF_MEMORY',
  });
  t.equal(running, 0);
  const controller = new AbortController();
  const reason = new Error('enough');
  const { signal } = controller;
  const onProgress = (done: number) => done === 3 && controller.abort(reason);
  const stopped = predict(double, [at('in')], { ...common, output: at('stopped'), signal, onProgress });
  await t.rejects(stopped, reason);
  t.equal(running, 0);
  for (const name of [...readdirSync(at('failed')), ...readdirSync(at('stopped'))])
    t.match(name, /^(\d\d_segmentation|predictions\.jsonl)$/, 'no folder is half written');
});

const probeOf = async (width: number) => {
  const classes = classSet.classes.length;
  const values = (count: number, scale: number) =>
    Float32Array.from({ length: count }, (_, i) => scale * Math.sin(i + 1));
  const scales = { gamma: values(width, 1), beta: values(width, 0.1) };
  const statistics = { runningMean: values(width, 0.2), runningVar: new Float32Array(width).fill(1.5) };
  const linear = { weight: values(classes * width, 0.3), bias: values(classes, 0.1) };
  return LinearProbe.from({ classes, width, ...linear, ...scales, ...statistics });
};

for (const [name, made] of [
  ['a class_embed', async () => head],
  ['a linear probe', () => probeOf(single.width)],
] as [string, () => Promise<SegmentationHead>][])
  t.test(`the figures of ${name} are those of one device, to the bit`, async (t) => {
    const judged = await made();
    const dataset = await SegmentationDataset.open(data, 'val', classSet);
    const figures = async (model: SegmentationModel) => {
      const { seconds, imagesPerSecond, ...rest } = await evaluate(model, judged, dataset, {
        imageSize: 64,
        passSize: 3,
      });
      t.ok(seconds > 0 && imagesPerSecond > 0);
      return rest;
    };
    const expected = await figures(single);
    t.same(await figures(double), expected);
    t.equal(expected.images, 10);
  });

t.test('the report of an evaluation names the devices', async (t) => {
  const dataset = await SegmentationDataset.open(data, 'val', classSet);
  const evaluation = await evaluate(double, head, dataset, { imageSize: 64 });
  const report = await evaluationReport(double, head, dataset, evaluation, { imageSize: 64, examples: 1 });
  t.match(JSON.stringify(report), /"Devices","cpu, cpu"/);
});
