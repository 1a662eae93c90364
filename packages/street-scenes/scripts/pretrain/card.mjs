// The model card beside a pretrained network.
import { readFile } from 'node:fs/promises';
import { atomicWriteFile } from '../../../../lib/files.js';
import { join } from 'node:path';

const percent = (share) => `${(100 * share).toFixed(2)} %`;

/** Classes that the held-out scenes hold, best first. */
function classTable({ classes }) {
  const rows = classes.filter(({ iou }) => iou !== null).sort((a, b) => b.iou - a.iou);
  return [
    '| class | IoU |',
    '| --- | --- |',
    ...rows.map(({ name, iou }) => `| ${name} | ${percent(iou)} |`),
  ];
}

const occurring = ({ classes }) => classes.filter(({ iou }) => iou !== null).length;

/** How a network was trained, as items of a list. */
function trainingLines({ options, device, seconds, version }) {
  const { seed, steps, batchSize, scenes, imageSize, width, height, lr, weightDecay, ema } = options;
  return [
    `- Version and time: dinov3-seg ${version}, ${(seconds / 60).toFixed(1)} minutes on ${device}. Two runs on a GPU do not give the same bits.`,
    `- Data: ${scenes} scenes of ${width}×${height} pixels (seed ${1_000_000 + seed}), resized to ${imageSize}×${imageSize}.`,
    `- Optimiser: AdamW, learning rate ${lr}, weight decay ${weightDecay}, cosine to 0, ${steps} steps of ${batchSize} scenes; the saved weights are a`,
    `  moving average (${ema}).`,
  ];
}

/** Writes README.md into the network's folder. `evaluation`: of the held-out scenes, or undefined. */
export async function writeCard(folder, { options, evaluation, parameters, device, seconds }) {
  const { version } = JSON.parse(
    await readFile(new URL('../../../../package.json', import.meta.url), 'utf8'),
  );
  const { arch, seed, steps, batchSize, scenes, imageSize } = options;
  const figures = evaluation
    ? [
        `${evaluation.images} scenes of another seed, at ${imageSize}×${imageSize}: mIoU ${percent(evaluation.mIoU)} over the ${occurring(evaluation)} classes that occur, pixel accuracy ${percent(evaluation.pixelAccuracy)}.`,
        '',
        ...classTable(evaluation),
      ]
    : ['Not measured.'];
  const lines = [
    `# ${arch}: a small network for synthetic street scenes`,
    '',
    'A network with the structure of DINOv3: ViT, ViT adapter, Mask2Former pixel decoder and predictor, 150 ADE20K classes and',
    `"no object", ${(parameters / 1e6).toFixed(2)} million parameters. It was trained from scratch, only on street scenes that this project draws:`,
    'no photographs, no existing weights, no labels made by others.',
    '',
    '**Use it for** the demo, tests, and trying the whole method without large files. **Do not use it for** photographs or for',
    'any decision about the real world. Its results say nothing about the released DINOv3 networks.',
    '',
    '## Training',
    '',
    '```sh',
    `node packages/street-scenes/scripts/pretrain.mjs --out DIR --device ${options.device} --seed ${seed} --steps ${steps} --batch-size ${batchSize} --scenes ${scenes}`,
    '```',
    '',
    ...trainingLines({ options, device, seconds, version }),
    "- Loss: Mask2Former's. Segments are finer than the classes: a segment is the pixels with one ADE20K class and one IDD",
    '  class, and its target class is the ADE20K class.',
    '',
    '## Results',
    '',
    ...figures,
    '',
    '## Files',
    '',
    "`backbone.safetensors` and `head.safetensors` have DINOv3's keys, and matrices in bfloat16. `convert` makes a network from them.",
    '',
    'Licence: Apache-2.0, like the package.',
    '',
  ];
  await atomicWriteFile(join(folder, 'README.md'), lines.join('\n'));
}

/** The classes that are counted, most frequent first. */
function countTable({ classes }) {
  return [
    '| class | objects | AP50 | recall | precision | count error | error of the mean |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...[...classes]
      .sort((a, b) => b.objects - a.objects)
      .map(({ name, objects, ap50, recall, precision, countError, meanError }) => {
        const shares = objects === 0 ? ['–', '–', '–'] : [ap50, recall, precision].map(percent);
        return `| ${[name, objects, ...shares, countError.toFixed(2), meanError.toFixed(2)].join(' | ')} |`;
      }),
  ];
}

/** Writes detector.md into a folder with a detector's head. `evaluation`: judgeBoxes' of held-out scenes, or undefined. */
export async function writeDetectorCard(folder, { options, evaluation, parameters, device, seconds }) {
  const { version } = JSON.parse(
    await readFile(new URL('../../../../package.json', import.meta.url), 'utf8'),
  );
  const { arch, seed, steps, batchSize, scenes, imageSize } = options;
  const figures = evaluation
    ? [
        `${evaluation.scenes} scenes of another seed, the ten classes that a table of 36 features counts. A box is correct at an IoU of 0.5 or more.`,
        `AP50 is ${percent(evaluation.ap50)}. The count error is the absolute difference between the counted and the true number, averaged over scenes`,
        `and classes. Always predicting the mean of each class has a count error of ${evaluation.meanError.toFixed(3)}.`,
        '',
        '| min score | recall | precision | count error |',
        '| --- | --- | --- | --- |',
        ...evaluation.thresholds.map(
          ({ threshold, recall, precision, countError }) =>
            `| ${threshold} | ${percent(recall)} | ${percent(precision)} | ${countError.toFixed(3)} |`,
        ),
        '',
        'Results by class, at a minimum score of 0.5:',
        '',
        ...countTable(evaluation),
      ]
    : ['Not measured.'];
  const lines = [
    `# ${arch}: a detection head for the same backbone`,
    '',
    `A Plain-DETR head with COCO's 91 category ids, ${(parameters / 1e6).toFixed(2)} million parameters, trained on the frozen backbone in this folder. It`,
    'was trained only on street scenes that this project draws, which have objects of 14 categories. The limits stated in',
    '[README.md](README.md) apply to it as well.',
    '',
    '## Training',
    '',
    '```sh',
    `node packages/street-scenes/scripts/pretrain-detector.mjs --out DIR --device ${options.device} --seed ${seed} --steps ${steps} --batch-size ${batchSize} --scenes ${scenes} --image-size ${imageSize}`,
    '```',
    '',
    ...trainingLines({ options, device, seconds, version }),
    '',
    '## Results',
    '',
    ...figures,
    '',
    '## File',
    '',
    "`detector-head.safetensors` has the keys of DINOv3's detection head, and matrices in bfloat16. `convert --task detection`",
    'makes a network from it and `backbone.safetensors`.',
    '',
    'Licence: Apache-2.0, like the package.',
    '',
  ];
  await atomicWriteFile(join(folder, 'detector.md'), lines.join('\n'));
}
