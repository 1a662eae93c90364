/** A small network, five labelled scenes and a head for their classes, as tests of reports look at them. */
import { join } from 'node:path';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { tinySettings } from './tiny-run.js';

/** Writes them below `root`; `flags` name network and head to a command. */
export async function scenesAndHead(root: string) {
  const settings = await tinySettings(root, { train: 1, val: 5 });
  const classSet = await loadClassSet('idd26');
  const dataset = await SegmentationDataset.open(settings.data, 'val', classSet);
  const model = await SegmentationModel.load(settings.model);
  const head = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 4 });
  const headFile = join(root, 'head.safetensors');
  await head.save(headFile, { metadata: { imageSize: 64 } });
  const flags = ['--model', settings.model, '--head', headFile, '--device', 'cpu'];
  return { settings, classSet, dataset, model, head, flags };
}
