/** The lines of training.log. */
import type { Evaluation } from '../evaluate/evaluation.js';
import type { OpenRun } from './open-run.js';
import { bestHead } from './run-position.js';

const percent = (share: number | null) => (share === null ? '–' : `${(100 * share).toFixed(2)} %`);
const number = (value: number | null) => value?.toFixed(4) ?? '–';

/** What is trained, on what. */
export function describeStart({ config, trainer, train, val, position, settings, isSweep }: OpenRun): string {
  const { epoch, batch } = position;
  const isFresh = epoch === 1 && batch === 0;
  const several = config.folds > 0 ? `${config.folds} folds, ` : `a sweep of ${settings.length} heads, `;
  return (
    `${isFresh ? 'start' : `resume at epoch ${epoch}, batch ${batch}`}: ${isSweep ? several : ''}` +
    `${trainer.outputs} outputs (${config.classes}), ${train.length} training and ${val.length} validation images ` +
    `(${train.unpaired.count + val.unpaired.count} images without a label skipped), ${config.imageSize}×` +
    `${config.imageSize}, ${config.mode}, on ${trainer.feed.devices.join(', ')}`
  );
}

/** Results of an epoch, before the position moves on to the next. */
export function describeEpoch(run: OpenRun, evaluations: readonly Evaluation[]): string {
  return run.isSweep ? describeHeads(run) : describeHead(run, evaluations[0]!);
}

function describeHead({ position }: OpenRun, evaluation: Evaluation): string {
  const { epoch, images, seconds, heads } = position;
  const { lossSum, best } = heads[0]!;
  return (
    `epoch ${epoch}: train loss ${number(lossSum / images)}, val loss ${number(evaluation.loss)}, ` +
    `mIoU ${percent(evaluation.mIoU)} (per image ${percent(evaluation.perImageIoU)}), pixel accuracy ` +
    `${percent(evaluation.pixelAccuracy)}, ${(images / seconds).toFixed(2)} images/s` +
    (best?.epoch === epoch ? ', best so far' : '')
  );
}

function describeHeads({ position: { epoch, heads } }: OpenRun): string {
  const measured = heads.map(({ lastMIoU }) => lastMIoU).filter((mIoU) => mIoU !== null);
  const found = bestHead(heads);
  if (measured.length === 0 || !found) return `epoch ${epoch}: no mIoU could be measured`;
  return (
    `epoch ${epoch}: mIoU ${percent(Math.min(...measured))} … ${percent(Math.max(...measured))}, ` +
    `best ${percent(found.best.mIoU)} (head ${found.head}, epoch ${found.best.epoch})`
  );
}
