/** Wherever a head is given, an image is seen at the size of the head's training. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { encodePng } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { imageSizeOf } from '../../lib/model/image-size.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { evaluationReport } from '../../lib/evaluate/evaluate-report.js';
import { evaluate, evaluateHeads } from '../../lib/evaluate/evaluate.js';
import { predict } from '../../lib/predict/predict.js';
import { sameMap } from '../helpers/close.js';
import { writeFormulaModel } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir({ images: {}, labels: {} });
const at = (...names: string[]) => join(root, ...names);
const { data, width, height } = picture(90, 70);
writeFileSync(at('images', 'a.png'), await encodePng(data, width, height, 3));
const labels = Uint8Array.from({ length: width * height }, (_, i) => i % 26);
writeFileSync(at('labels', 'a.png'), await encodePng(labels, width, height, 1));
const model = await SegmentationModel.load(await writeFormulaModel(root), { device: 'cpu' });
const classSet = await loadClassSet('idd26');
const dataset = await SegmentationDataset.open(root, 'all', classSet, { labelKind: 'labellevel3Ids' });

/** A head whose file says that it was trained at a size. */
async function headOf(imageSize: number | undefined, seed = 3): Promise<ClassHead> {
  const path = at(`${imageSize}.safetensors`);
  using head = ClassHead.create({ hidden: model.hidden, classes: classSet, seed, device: 'cpu' });
  await head.save(path, { metadata: imageSize === undefined ? {} : { imageSize } });
  return ClassHead.load(path, { device: 'cpu' });
}

const imageSize = 64;
const head = await headOf(imageSize);
const image = { data, width, height };
const { seconds: _, imagesPerSecond: __, ...measured } = await evaluate(model, head, dataset, { imageSize });

t.test('segment, segmentBatch and scores', async (t) => {
  const expected = await model.segment(image, { head, imageSize });
  sameMap(t, await model.segment(image, { head }), expected);
  const [alone] = await model.segmentBatch([image], { head });
  sameMap(t, alone!, expected);
  sameMap(t, await model.scores(image, { head }), await model.scores(image, { head, imageSize }));
});

t.test('predict and its report', async (t) => {
  const folders = [{}, { imageSize }].map((size, i) => ({ ...size, output: at(`out${i}`) }));
  const maps: Buffer[] = [];
  for (const options of folders) {
    const { written } = await predict(model, [at('images', 'a.png')], {
      ...{ head, classSet, report: at('report.html'), ...options },
    });
    maps.push(readFileSync(join(written[0]!.folder, 'segmentation_raw.npy')));
    t.match(readFileSync(at('report.html'), 'utf8'), />image size<[^>]*>[^>]*>\s*64\s*</);
  }
  t.same(maps[0], maps[1]);
});

t.test('evaluate, several heads in one pass, and the report', async (t) => {
  using unknown = await headOf(undefined);
  using larger = await headOf(96);
  t.match(await evaluate(model, head, dataset), measured);
  const [first, second] = await evaluateHeads(model, [head, unknown], dataset);
  t.match(first, measured);
  t.match(second, measured, 'a head that does not say goes with the others');
  await t.rejects(evaluateHeads(model, [head, larger], dataset), {
    code: 'INVALID_ARGUMENT',
    message: /trained at different image sizes \(64, 96 pixels\).*imageSize/,
  });
  const [both] = await evaluateHeads(model, [head, larger], dataset, { imageSize });
  t.match(both, measured);
  const report = await evaluationReport(model, head, dataset, { ...both! });
  t.match(JSON.stringify(report.sections), /\["image size","64"\]/);
});

t.test('a size that is given counts, and 512 where nothing says another', (t) => {
  t.equal(imageSizeOf(96, [head]), 96);
  t.same(imageSizeOf({ width: 96, height: 64 }, [head]), { width: 96, height: 64 });
  t.equal(imageSizeOf(undefined, [head]), 64);
  t.equal(imageSizeOf(undefined, [{ metadata: {} }]), 512);
  t.equal(imageSizeOf(undefined, []), 512);
  t.end();
});
