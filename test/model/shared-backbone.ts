/** One backbone for a segmentor and a detector: in memory once, and told to be the same without reading its values. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';

const shape = [1, 3, 112, 144];
const images = Tensor.from(formulaTensor('image', shape).data, shape);
const bytesOf = (...models: { handle: Parameters<ReturnType<typeof engine>['storageBytes']>[0][number] }[]) =>
  engine().storageBytes(models.map(({ handle }) => handle));

/** Outputs of a detector, and the backbone's features. */
async function outputsOf(detector: DetectionModel) {
  const { predLogits, predBoxes } = await detector.forward(images);
  const features = await detector.features(images);
  return Promise.all([predLogits, predBoxes, features].map((tensor) => tensor.floats()));
}

async function sameOutputs(t: Test, a: DetectionModel, b: DetectionModel, name: string) {
  const [expected, found] = [await outputsOf(a), await outputsOf(b)];
  t.ok(
    found.every((values, i) => sameBits(values, expected[i]!)),
    `${name}: the same bits`,
  );
}

/** Checkpoints of a segmentor and of a detector of one backbone, and networks of them. */
async function writeBoth(folder: string, dtype: 'float32' | 'bfloat16' = 'float32') {
  for (const name of ['seg', 'det']) mkdirSync(join(folder, name), { recursive: true });
  const segmentation = await writeFormulaCheckpoints(join(folder, 'seg'));
  const { head } = await writeFormulaCheckpoints(join(folder, 'det'), 'det');
  const detection = { backbone: segmentation.backbone, head };
  const segmentor = join(folder, `seg-${dtype}.pt`);
  const detector = join(folder, `det-${dtype}.pt`);
  await convert({ ...segmentation, out: segmentor, dtype });
  await convert({ ...detection, out: detector, dtype, task: 'detection' });
  return { segmentor, detector, detection };
}

/** Converts a detector whose backbone has one tensor replaced, or left as it is. */
async function writeChanged(
  folder: string,
  from: { backbone: string; head: string },
  key: string,
  tensor: Tensor,
) {
  const { tensors } = await engine().readTensors(from.backbone);
  const backbone = join(folder, 'changed.safetensors');
  await engine().writeSafetensors(backbone, { ...tensors, [key]: tensor.handle }, {});
  const out = join(folder, 'changed.pt');
  await convert({ backbone, head: from.head, out, task: 'detection' });
  return out;
}

for (const [stored, loaded] of [
  ['float32', 'stored'],
  ['bfloat16', 'stored'],
  ['float32', 'bfloat16'],
] as const)
  t.test(
    `a ${stored} detector, loaded as ${loaded}, is the same with the segmentor's backbone`,
    async (t) => {
      const files = await writeBoth(t.testdir(), stored);
      using segmentor = await SegmentationModel.load(files.segmentor, { dtype: loaded });
      using alone = await DetectionModel.load(files.detector, { dtype: loaded });
      using shared = await DetectionModel.load(files.detector, { dtype: loaded, shareWith: segmentor });
      await sameOutputs(t, alone, shared, 'with a backbone of its own and without');
      t.match(shared, { id: alone.id, parameters: alone.parameters, dtype: alone.dtype });
      t.equal(alone.sharedBytes, 0);
      t.ok(shared.sharedBytes > 0);
      t.equal(bytesOf(shared), bytesOf(alone), 'it has all of its weights');
      const headBytes = bytesOf(alone) - shared.sharedBytes;
      t.equal(bytesOf(segmentor, shared), bytesOf(segmentor) + headBytes, 'only the head is added');
      t.equal(bytesOf(segmentor, alone), bytesOf(segmentor) + bytesOf(alone), 'without sharing, all of it');
    },
  );

t.test('either model may be disposed of first', async (t) => {
  const files = await writeBoth(t.testdir());
  using alone = await DetectionModel.load(files.detector);
  const segmentor = await SegmentationModel.load(files.segmentor);
  const first = await DetectionModel.load(files.detector, { shareWith: segmentor });
  using second = await DetectionModel.load(files.detector, { shareWith: segmentor });
  using input = images.slice(0, 1);
  using square = Tensor.from(formulaTensor('image', [1, 3, 96, 96]).data, [1, 3, 96, 96]);
  const before = await (await segmentor.features(square)).floats();
  await first.forward(input);
  first.dispose();
  t.ok(
    sameBits(await (await segmentor.features(square)).floats(), before),
    'the segmentor without the detector',
  );
  segmentor.dispose();
  await sameOutputs(t, alone, second, 'the detector without the segmentor');
  await t.rejects(DetectionModel.load(files.detector, { shareWith: segmentor }), { code: 'DISPOSED' });
});

t.test('another backbone, or one in another precision, is refused and says what differs', async (t) => {
  const folder = t.testdir();
  const files = await writeBoth(folder);
  using segmentor = await SegmentationModel.load(files.segmentor);
  const refused = async (path: string, message: RegExp, options = {}) =>
    t.rejects(DetectionModel.load(path, { shareWith: segmentor, ...options }), {
      code: 'BACKBONE_MISMATCH',
      message,
    });

  const values = formulaTensor('blocks.2.ls1.gamma', [64]).data.map((value, i) =>
    i === 63 ? 2 * value : value,
  );
  using other = Tensor.from(values, [64]);
  const changed = await writeChanged(folder, files.detection, 'blocks.2.ls1.gamma', other);
  await refused(
    changed,
    /cannot share the backbone of .*: the values of blocks\.2\.ls1\.gamma differ\. Convert/,
  );

  await refused(files.detector, /should be bfloat16.*has it in float32.*more differences/, {
    dtype: 'bfloat16',
  });
  const { detector: rounded } = await writeBoth(folder, 'bfloat16');
  await refused(rounded, /should be bfloat16.*has it in float32/);
  await refused(rounded, /is stored as bfloat16, but in the segmentor's file as float32/, {
    dtype: 'float32',
  });

  const wide = join(folder, 'wide.pt');
  await initModel({ arch: 'tiny-detector', seed: 3, out: wide });
  await refused(wide, /the values of .* differ \(and \d+ more differences\)/);
});

/** A copy of an archive that states no checksums of its tensors, as writers may that were told not to compute any. */
function withoutChecksums(path: string, copy: string): string {
  const bytes = readFileSync(path);
  const entry = Buffer.from([0x50, 0x4b, 1, 2]); // of the table of contents
  for (let at = bytes.indexOf(entry); at >= 0; at = bytes.indexOf(entry, at + 4)) {
    const name = bytes.toString('latin1', at + 46, at + 46 + bytes.readUInt16LE(at + 28));
    if (name.includes('/data/')) bytes.writeUInt32LE(0, at + 16);
  }
  writeFileSync(copy, bytes);
  return copy;
}

t.test('without checksums the values are compared', async (t) => {
  const folder = t.testdir();
  const files = await writeBoth(folder);
  using segmentor = await SegmentationModel.load(files.segmentor);
  using alone = await DetectionModel.load(files.detector);
  const silent = withoutChecksums(files.detector, join(folder, 'silent.pt'));
  using shared = await DetectionModel.load(silent, { shareWith: segmentor });
  await sameOutputs(t, alone, shared, 'without checksums');

  using other = Tensor.from(formulaTensor('blocks.0.norm2.bias', [64]).data, [64]);
  const changed = await writeChanged(folder, files.detection, 'blocks.0.norm1.bias', other);
  await t.rejects(
    DetectionModel.load(withoutChecksums(changed, join(folder, 'silent-changed.pt')), {
      shareWith: segmentor,
    }),
    { code: 'BACKBONE_MISMATCH', message: /: the values of blocks\.0\.norm1\.bias differ\. / },
  );
});

t.test('files that cannot be compared are refused', async (t) => {
  const folder = t.testdir();
  const { segmentor: path, detector, detection } = await writeBoth(folder);
  const code = 'BACKBONE_MISMATCH';
  using drawn = await SegmentationModel.init({ arch: 'tiny' });
  await t.rejects(DetectionModel.load(detector, { shareWith: drawn }), {
    code,
    message: /no file to compare/,
  });
  using segmentor = await SegmentationModel.load(path);
  await t.rejects(DetectionModel.load(path, { shareWith: segmentor }), {
    code: 'MODEL_FORMAT',
    message: /no backbone under .*expected a detector/,
  });
  await t.rejects(DetectionModel.load(detection.head, { shareWith: segmentor }), {
    code: 'CHECKPOINT_FORMAT',
  });
  await t.rejects(DetectionModel.load(join(folder, 'none.pt'), { shareWith: segmentor }), {
    code: 'FILE_NOT_FOUND',
  });
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  using elsewhere = await SegmentationModel.load(foreign);
  await t.rejects(DetectionModel.load(detector, { shareWith: elsewhere }), {
    code,
    message: /the segmentor has no blocks/,
  });
  const replaced = join(folder, 'replaced.pt');
  copyFileSync(path, replaced);
  using before = await SegmentationModel.load(replaced);
  rmSync(replaced);
  await initModel({ arch: 'tiny', out: replaced });
  await t.rejects(DetectionModel.load(detector, { shareWith: before }), {
    code,
    message: /has changed since/,
  });
});
