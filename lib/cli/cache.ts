import { checkCache, listCaches, removeCache, type RemovedCache } from '../cache/manage.js';
import { mergeCaches } from '../cache/merge-caches.js';
import { makeCache } from '../train/make-cache.js';
import { shardPath, shardPattern } from '../shard.js';
import { counted, formatBytes } from '../text.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { next, note, print, printJson, printResult, progressBar } from './output.js';
import { UsageError } from './parse.js';
import { settingFlags, settingsOf } from './setting-flags.js';
import { partOf, shardFlag } from './shard.js';
import { deviceFlag, jsonFlag, trustFlag } from './shared-flags.js';
import { table } from './text.js';
import { barUpdate } from './train.js';

/** What decides over the content of a cache, where it is, and how it is filled. */
const settings = settingFlags(
  ...(['model', 'data', 'out', 'classes', 'labelKind', 'layout'] as const),
  ...(['images', 'labels', 'unknown', 'valShare', 'maxPixels'] as const),
  ...([
    'cache',
    'passSize',
    'cacheDtype',
    'views',
    'headKind',
    'layers',
    'imageSize',
    'flip',
    'seed',
  ] as const),
  ...(['device', 'dtype', 'precision', 'weights', 'gpuMemory', 'prefetch'] as const),
);

const actions = ['make', 'merge', 'check', 'list', 'remove'] as const;

export default command({
  name: 'cache',
  summary:
    "Makes, merges, checks, lists or removes caches of the frozen network's outputs. Training with --mode cached uses them.",
  positionals: {
    name: 'make|merge|check|list|remove [DIR] [PART…]',
    help: 'action, and folder of the cache; for merge, also the folders of all parts',
    least: 1,
    most: Infinity,
  },
  flags: {
    ...settings,
    out: { ...settings.out, help: 'run folder; the cache is made next to it' },
    ...deviceFlag,
    ...trustFlag,
    ...shardFlag('`cache merge`'),
    ...jsonFlag,
  },
  notes: [
    'make    fills the cache that `train` uses with the same settings; all flags except --json are for it',
    '        with --shard, part 2 of 8 of DIR is made in DIR-00002-of-00008',
    'merge   moves the records of the parts into DIR, and removes the parts',
    'check   reads every record; the exit code is 1 if some are damaged',
    'list    shows the caches in DIR (default: .)',
    'remove  deletes the cache, and says what was deleted',
    '',
    '`make` and `train` replace records that are damaged or older than their image.',
  ].join('\n'),
  stoppable: true,
  goesOn: true,
  async run({ flags: { json, ...flags }, positionals: [action, path, ...parts], signal }) {
    const bar = progressBar();
    const need = (): string => {
      if (path === undefined)
        throw new UsageError(`Missing DIR: cache ${action} needs the folder of a cache.`);
      return path;
    };
    if (action !== 'merge' && parts.length > 0)
      throw new UsageError(`cache ${action} takes one folder; "${parts[0]}" is another.`);
    switch (action) {
      case 'make': {
        const cache = path ?? flags.cache;
        if (cache === undefined && flags.out === undefined)
          throw new UsageError(
            'Missing DIR or --out RUN: cache make needs the folder of the cache or of the run next to it.',
          );
        const { shard, device } = partOf(flags.shard, flags.device);
        const made = await makeCache(settingsOf({ ...flags, cache, device }), {
          ...withoutUndefined({ shard, trustCode: flags['trust-code'] }),
          signal,
          onProgress: (progress) => bar.update(barUpdate(progress)),
          onLog: note,
        });
        printResult(made, json);
        if (shard) {
          const whole = made.path.slice(0, -shardPath('', shard, '').length);
          next(
            `when all parts are done: dinov3-seg cache merge ${whole} ${shardPattern(whole, shard.count, '')}`,
          );
        }
        return;
      }
      case 'merge':
        if (parts.length === 0)
          throw new UsageError('Missing PART…: cache merge needs the folders of all parts.');
        return printResult(await mergeCaches(parts, need(), { signal }), json);
      case 'check': {
        const onProgress = (done: number, total: number) =>
          bar.update({ label: 'checking', done, total, unit: 'records' });
        const result = await checkCache(need(), { signal, onProgress });
        printResult(result, json);
        return result.damage.length > 0 ? 1 : 0;
      }
      case 'list': {
        const found = await listCaches(path ?? '.');
        if (json) return printJson(found);
        const rows = found.map(({ path, key, passSize, records, sizeBytes }) => [
          path,
          String(records),
          formatBytes(sizeBytes),
          `${key.contents} ${key.dtype}, ${key.imageSize}×${key.imageSize}, ${key.classes}, network ${key.modelId.slice(0, 12)}, pass size ${passSize}`,
        ]);
        return print(
          found.length > 0 ? table([['cache', 'records', 'size', 'contents'], ...rows], [1, 2]) : 'no caches',
        );
      }
      case 'remove':
        return reportRemoved(await removeCache(need()), json);
      default:
        throw new UsageError(`cache expects one of ${actions.join(', ')}, not "${action}".`);
    }
  },
});

function reportRemoved(removed: RemovedCache, json: boolean | undefined): void {
  if (json) return printJson(removed);
  const { path, records, files, bytes, left } = removed;
  const contents = [...(records === null ? [] : [counted(records, 'record')]), counted(files, 'file')];
  print(`removed the cache in ${path}: ${contents.join(', ')}, ${formatBytes(bytes)}`);
  if (left.length > 0) note(`Other files were left there: ${left.join(', ')}.`);
}
