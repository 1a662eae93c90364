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

/** Writes README.md into the network's folder. `evaluation`: of the held-out scenes, or undefined. */
export async function writeCard(folder, { options, evaluation, parameters, device, seconds }) {
  const { version } = JSON.parse(
    await readFile(new URL('../../../../package.json', import.meta.url), 'utf8'),
  );
  const { arch, seed, steps, batchSize, scenes, imageSize, width, height, lr, weightDecay, ema } = options;
  const figures = evaluation
    ? [
        `On ${evaluation.images} scenes of another seed, at ${imageSize}×${imageSize}: mIoU ${percent(evaluation.mIoU)} over the`,
        `${evaluation.classes.filter(({ iou }) => iou !== null).length} classes that occur, pixel accuracy ${percent(evaluation.pixelAccuracy)}.`,
        '',
        ...classTable(evaluation),
      ]
    : ['Not measured.'];
  const lines = [
    `# ${arch}: a small network of synthetic street scenes`,
    '',
    'DINOv3-shaped ViT, ViT adapter, Mask2Former pixel decoder and predictor with 150 ADE20K classes and "no object",',
    `${(parameters / 1e6).toFixed(2)} million parameters. It has seen nothing but street scenes that this package draws: no photograph, no weights`,
    'and no labels of others. It knows these drawings and nothing else.',
    '',
    '**For**: the demo, tests, and trying the whole method without large files. **Not for** photographs, nor for any',
    'decision about the real world; its figures say nothing about the released DINOv3 networks.',
    '',
    '## How it was made',
    '',
    '```sh',
    `node packages/street-scenes/scripts/pretrain.mjs --out DIR --device ${options.device} --seed ${seed} --steps ${steps} --batch-size ${batchSize} --scenes ${scenes}`,
    '```',
    '',
    `By dinov3-seg ${version}, in ${(seconds / 60).toFixed(1)} minutes on ${device}: ${scenes} scenes of ${width}×${height} (seed ${1_000_000 + seed}), ${steps} steps`,
    `of ${batchSize}, shown at ${imageSize}×${imageSize}; AdamW ${lr}, weight decay ${weightDecay}, cosine to 0, averaged weights (${ema}). Loss: Mask2Former's, on`,
    'segments that are finer than the classes (pixels of one ADE20K class and one IDD class), each with its ADE20K class.',
    'On a GPU two runs do not give the same bits.',
    '',
    '## Figures',
    '',
    ...figures,
    '',
    '## Files',
    '',
    '`backbone.safetensors` and `head.safetensors`, keys as DINOv3 has them, matrices in bfloat16. `convert` makes a network of them.',
    '',
    'Licence: Apache-2.0, as the package.',
    '',
  ];
  await atomicWriteFile(join(folder, 'README.md'), lines.join('\n'));
}

/** The classes that are counted, most frequent first. */
function countTable({ classes }) {
  return [
    '| class | objects | AP50 | recall | precision | count error | of the mean |',
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
  const { arch, seed, steps, batchSize, scenes, imageSize, width, height, lr, weightDecay, ema } = options;
  const figures = evaluation
    ? [
        `On ${evaluation.scenes} scenes of another seed, the ten classes that a table of 36 features counts; a box is found from an IoU of 0.5 on.`,
        `AP50 ${percent(evaluation.ap50)}. Count error: mean over scenes and classes of the difference between counted and true numbers;`,
        `${evaluation.meanError.toFixed(3)} for who says each class's mean every time.`,
        '',
        '| least score | recall | precision | count error |',
        '| --- | --- | --- | --- |',
        ...evaluation.thresholds.map(
          ({ threshold, recall, precision, countError }) =>
            `| ${threshold} | ${percent(recall)} | ${percent(precision)} | ${countError.toFixed(3)} |`,
        ),
        '',
        'By class, at a least score of 0.5:',
        '',
        ...countTable(evaluation),
      ]
    : ['Not measured.'];
  const lines = [
    `# ${arch}: a detector's head for the same backbone`,
    '',
    `Plain-DETR with COCO's 91 category ids, ${(parameters / 1e6).toFixed(2)} million parameters, on the backbone beside it, which stayed as it is. It has seen`,
    'nothing but street scenes that this package draws, of which it knows 14 categories; what README.md says of the network goes for it too.',
    '',
    '## How it was made',
    '',
    '```sh',
    `node packages/street-scenes/scripts/pretrain-detector.mjs --out DIR --device ${options.device} --seed ${seed} --steps ${steps} --batch-size ${batchSize} --scenes ${scenes} --image-size ${imageSize}`,
    '```',
    '',
    `By dinov3-seg ${version}, in ${(seconds / 60).toFixed(1)} minutes on ${device}: ${scenes} scenes of ${width}×${height} (seed ${1_000_000 + seed}), ${steps} steps`,
    `of ${batchSize}, shown at ${imageSize}×${imageSize}; AdamW ${lr}, weight decay ${weightDecay}, cosine to 0, averaged weights (${ema}).`,
    'On a GPU two runs do not give the same bits.',
    '',
    '## Figures',
    '',
    ...figures,
    '',
    '## File',
    '',
    "`detector-head.safetensors`, keys as DINOv3's detection head has them, matrices in bfloat16. `convert` with task `detection` makes a network of it",
    'and `backbone.safetensors`.',
    '',
    'Licence: Apache-2.0, as the package.',
    '',
  ];
  await atomicWriteFile(join(folder, 'detector.md'), lines.join('\n'));
}
