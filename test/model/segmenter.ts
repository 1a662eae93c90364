/** A network and a head opened together: what they give is what the parts and the command line give. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage, encodePng } from '../../lib/data/decode.js';
import { openFeatureExtractor } from '../../lib/features/open-extractor.js';
import { readTable } from '../../lib/features/table-reader.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import { classPercentages } from '../../lib/report/class-statistics.js';
import { sameBits, sameMap } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { writeFormulaModel } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const model = await writeFormulaModel(root);
const classSet = await loadClassSet('idd26');
const [head, probe, street] = [at('head.safetensors'), at('probe.safetensors'), at('street.png')];
const { data, width, height } = picture(90, 70);
writeFileSync(street, await encodePng(data, width, height, 3));
const own = await openSegmenter({ model, imageSize: 64 });
await ClassHead.create({ hidden: own.model.hidden, classes: classSet, seed: 3 }).save(head, {
  metadata: { imageSize: 64, modelId: own.model.id },
});
const values = (count: number, first = 0.1) =>
  Float32Array.from({ length: count }, (_, i) => first + Math.sin(i + 1));
await (
  await LinearProbe.from({
    ...{ classes: 26, width: 64, weight: values(26 * 64), bias: values(26), gamma: values(64) },
    ...{ beta: values(64), runningMean: values(64), runningVar: values(64, 1.5) },
  })
).save(probe, { metadata: { imageSize: 64, classSet } });
t.teardown(() => own.dispose());

const flavour = { flavour: 'idd26-head' } as const;
const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0);

/** The percentages that the command writes for the photo, in the order of its columns. */
async function written(flags: readonly string[], names: readonly string[]): Promise<number[]> {
  const output = at(`${flags.join('').replaceAll(/\W/g, '')}.csv`);
  const { code, stderr } = await runCommand([
    ...['features', street, '--model', model, '--output', output, '--device', 'cpu', ...flags],
  ]);
  t.equal(code, 0, stderr);
  const columns = [
    { name: 'id', kind: 'text' as const },
    ...[...names, 'unassigned'].map((name) => ({ name, kind: 'percent' as const })),
  ];
  for await (const row of readTable(output, columns)) return row.slice(1, -1) as number[];
  throw new Error('the table has no row');
}

t.test('from a photo to percentages in two statements: those of the command features', async (t) => {
  for (const [file, soft] of [
    [head, false],
    [head, true],
    [probe, false],
  ] as const) {
    using seg = await openSegmenter({ model, head: file, device: 'cpu' });
    const percentages = await seg.percentages(street, { soft });
    t.same(
      Object.keys(percentages),
      classSet.classes.map(({ name }) => name),
      'every class by its name, in the order of the class set',
    );
    const columns = classSet.classes.map(({ name }) => `seg_vit_${name.replaceAll(' ', '_')}`);
    await using extractor = await openFeatureExtractor({
      model,
      head: file,
      ...flavour,
      soft,
      device: 'cpu',
    });
    const [features] = await extractor.extract([await decodeImage(street)], {});
    t.same(Object.values(percentages), features!.values.slice(0, -1), 'those of its extractor');
    if (file === probe || soft) continue;
    t.same(
      Object.values(percentages),
      await written(['--head', file, '--flavour', flavour.flavour], columns),
    );
    t.ok(Math.abs(sum(Object.values(percentages)) - 100) < 1e-9, 'they sum to 100');
    t.ok(Object.values(percentages).filter((percent) => percent > 0).length > 1, 'of several classes');
  }
});

t.test(
  'percentages of the model’s own head are those of set 230, and a recount of the class map',
  async (t) => {
    const percentages = Object.values(await own.percentages(street));
    const columns = own.classSet.classes.map(({ name }) => `seg_vit_${name.replaceAll(' ', '_')}`);
    t.same(percentages, await written(['--set', '230', '--image-size', '64'], columns));
    const map = await own.segment(street);
    t.same(
      percentages,
      classPercentages(map.data, map.classSet).map(({ percent }) => percent),
    );
  },
);

t.test('class maps and scores are those of the parts, at the size of the head’s training', async (t) => {
  using seg = await openSegmenter({ model, head, device: 'cpu' });
  t.match(seg, { imageSize: 64, scoring: 'recipe', classSet: { name: 'idd26' }, warnings: [] });
  const options = { head: seg.head, imageSize: 64, scoring: seg.scoring };
  const expected = await seg.model.segment(street, options);
  const { classSet: names, ...map } = await seg.segment(street);
  sameMap(t, map, expected);
  t.equal(names, seg.classSet);
  const [first, second] = await seg.segmentBatch([street, street]);
  for (const { data } of [first!, second!]) t.ok(sameBits(data, expected.data));
  sameMap(t, await seg.scores(street), await seg.model.scores(street, options));
  const wide = { width: 96, height: 64 };
  const other = await seg.model.segment(street, { ...options, imageSize: wide });
  const { data } = await seg.segment(street, { imageSize: wide });
  t.ok(sameBits(data, other.data), 'another size for a call');
  t.same(
    Object.values(await seg.percentages(street, { imageSize: wide })),
    classPercentages(other.data, names).map(({ percent }) => percent),
  );
});

t.test('calls tell how far they are and stop', async (t) => {
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await t.rejects(openSegmenter({ model, head, signal }), reason);
  const calls: (() => Promise<unknown>)[] = [
    () => own.percentages(street, { signal }),
    () => own.segment(street, { signal }),
    () => own.segmentBatch([street], { signal }),
    () => own.scores(street, { signal }),
  ];
  for (const call of calls) await t.rejects(call, reason);
  const told: [number, number][] = [];
  const onProgress = (done: number, total: number) => told.push([done, total]);
  await own.percentages(street, { onProgress });
  await own.segment(street, { onProgress });
  t.same(told, [
    [1, 1],
    [1, 1],
  ]);
});

t.test('what was opened is freed, whatever fails', async (t) => {
  const seg = await openSegmenter({ model, head, device: 'cpu' });
  const call = seg.percentages(street);
  await seg[Symbol.asyncDispose]();
  t.equal(Object.keys(await call).length, 26, 'the call under way ends first');
  seg.dispose();
  await t.rejects(seg.percentages(street), { code: 'DISPOSED' });
  await t.rejects(openSegmenter({ model, head, imageSize: 100 }), { code: 'SHAPE' });
  await t.rejects(openSegmenter({ model, head, classes: 'cityscapes19' }), { code: 'HEAD_MISMATCH' });
});
