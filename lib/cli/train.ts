import { join } from 'node:path';
import { train } from '../train/loop.js';
import type { TrainProgress } from '../train/train-hooks.js';
import type { ProgressUpdate } from './progress-bar.js';
import { configKeys } from '../train/settings.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { complain, next, note, print, printResult, progressBar } from './output.js';
import { settingFlags, settingsOf } from './setting-flags.js';
import { deviceFlag, jsonFlag, trustFlag } from './shared-flags.js';
import { sweepText } from './text.js';

const flags = settingFlags(...configKeys);

export default command({
  name: 'train',
  summary: 'Trains class_embed or a linear probe on labelled images; the rest of the network stays frozen.',
  flags: {
    ...flags,
    out: { ...flags.out, required: true },
    ...deviceFlag,
    ...trustFlag,
    resume: { type: 'boolean', help: 'continue the run in --out, with its settings' },
    ...jsonFlag,
  },
  notes: 'Ctrl-C stops after the current step; --resume continues exactly there.',
  stoppable: true,
  async run({ flags, signal }) {
    const { resume, json, 'trust-code': trustCode } = flags;
    const bar = progressBar();
    const result = await train(settingsOf(flags), {
      signal,
      resume: resume ?? false,
      ...withoutUndefined({ trustCode }),
      onProgress: (progress) => bar.update(barUpdate(progress)),
      onLog: note,
    });
    const { heads, reportError, ...short } = result;
    printResult(json && heads ? { ...short, heads } : short, json);
    if (heads && !json) print(sweepText(heads));
    if (reportError) {
      // The log has it among its lines, where it was met.
      complain(reportError);
      return 1;
    }
    if (result.best === null) return 0;
    const head = `--head ${join(result.out, 'best.safetensors')}`;
    next(
      `dinov3-seg features --model ${flags.model ?? 'M'} ${head} --output T.csv IMAGE…, or predict, or eval`,
    );
    return 0;
  },
});

/** What the bar shows of a run's progress. */
export function barUpdate({ phase, epoch, epochs, ...rest }: TrainProgress): ProgressUpdate {
  const labels = {
    check: 'reading the cache',
    cache: 'filling the cache',
    train: `epoch ${epoch}/${epochs}`,
    evaluate: `epoch ${epoch}/${epochs} evaluation`,
  };
  return {
    label: labels[phase],
    ...rest,
    ...((phase === 'check' || phase === 'cache') && { unit: 'records' }),
  };
}
