/** What a command says to people: how much, in which colours, and what next. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { engine } from '../../lib/native/engine.js';
import { findLibtorch } from '../../lib/native/libtorch/find-libtorch.js';
import { entry, spawnCommand, startCommand, startProgram } from '../helpers/command-line.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { writeTree } from '../helpers/temporary.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const { backbone, head } = await writeFormulaCheckpoints(root);
await writeFile(at('good.png'), await encodePng(new Uint8Array(40 * 30 * 3), 40, 30, 3));
await writeFile(at('bad.png'), 'no image');
const conversion = ['convert', '--backbone', backbone, '--head', head, '--out', at('m.pt')];

t.test('a result is in human units, and the next step is named on stderr', async (t) => {
  const { code, stdout, stderr } = await spawnCommand(conversion);
  t.equal(code, 0, stderr);
  t.match(stdout, `out: ${at('m.pt')}\n`);
  t.match(stdout, /^dims: embed dim 64, .*\nbackbone keys: \d+\n/m);
  t.match(stderr, new RegExp(`^next: dinov3-seg train --model ${at('m.pt')} --data DIR`, 'm'));
});

const predict = (...flags: string[]) => {
  const images = [at('bad.png'), at('good.png')];
  return ['predict', '--model', at('m.pt'), '--output', at('out'), '--image-size', '64', ...flags, ...images];
};

const cudaAnswers = engine().info().cudaAvailable && 'a CUDA device answers';

t.test(
  'without --device a command takes a CUDA device that answers, as the library does',
  { skip: cudaAnswers },
  async (t) => {
    const feign = at('cuda.mjs');
    const { href } = new URL('../../dist/native/engine.js', import.meta.url);
    await writeFile(
      feign,
      `const native = (await import('${href}')).engine();
      const { info } = native;
      native.info = () => ({ ...info(), cudaAvailable: true });`,
    );
    const init = ['init', '--arch', 'tiny', '--out', at('new.pt')];
    for (const command of [predict(), init]) {
      const { stderr } = await spawnCommand(command, { NODE_OPTIONS: `--import=${feign}` });
      t.match(stderr, /^DEVICE: /m, command[0]!);
    }
  },
);

t.test('quiet leaves results, warnings and errors', async (t) => {
  const { code, stdout, stderr } = await spawnCommand(predict('--quiet'));
  t.equal(code, 1);
  t.equal(stdout, `${at('out/good_segmentation')}\n`);
  t.match(stderr, /^IMAGE: .*bad\.png[^\n]*\nwarning: 1 of 2 images failed\.\n$/);
});

t.test('verbose adds the settings, the time of each line and what caused an error', async (t) => {
  const { stderr } = await spawnCommand(predict('--verbose'));
  const lines = stderr.trimEnd().split('\n');
  // The bar's own line has a clock of its own.
  for (const line of lines.filter((each) => !each.startsWith('predict: ')))
    t.match(line, /^\[\d+(\.\d)? s\] /);
  t.match(lines[0], /dinov3-seg \d+\.\d+\.\d+: predict$/);
  t.match(lines[1], /"image-size":64,.*"arguments":\[".*bad\.png"/);
  t.ok(
    lines.some((line) => line.includes('caused by ')),
    stderr,
  );
  const both = await spawnCommand(predict('--quiet', '--verbose'));
  t.equal(both.code, 2);
  t.match(both.stderr, /--quiet or --verbose, not both/);
});

t.test('colours come on a terminal or on request alone', async (t) => {
  const plain = await spawnCommand(predict());
  t.notOk((plain.stdout + plain.stderr).includes('\x1b'));
  const coloured = await spawnCommand(predict(), { FORCE_COLOR: '1' });
  t.match(coloured.stderr, '\x1b[31mIMAGE:\x1b[39m ');
  const refused = await spawnCommand(predict(), { NO_COLOR: '1' });
  t.notOk((refused.stdout + refused.stderr).includes('\x1b'));
});

t.test('a reader of stderr that goes away does not stop the work', async (t) => {
  const { child, ended } = startCommand(predict('--verbose'));
  child.stderr!.destroy();
  const { code, stdout } = await ended;
  t.equal(code, 1);
  t.equal(stdout, `${at('out/good_segmentation')}\n`);
});

t.test(
  'results that the disk does not take are one clear line and a failure',
  { skip: !existsSync('/dev/full') && 'there is no /dev/full' },
  async (t) => {
    const shell = (redirected: string) =>
      startProgram('sh', ['-c', `exec "$0" "$@" ${redirected}`, process.execPath, entry, '--version']).ended;
    const full = await shell('>/dev/full');
    t.equal(full.code, 1);
    t.match(
      full.stderr,
      /^DISK_FULL: The results could not be written to the standard output \(ENOSPC\)[^\n]*\n$/,
    );
    t.equal((await shell('>/dev/full 2>&1')).code, 1);
    const closed = await shell('>&-');
    t.equal(closed.code, 0, closed.stderr);
    t.equal(closed.stderr, '');
    const quiet = await shell('2>/dev/full');
    t.equal(quiet.code, 0);
    t.match(quiet.stdout, /^\d+\.\d+\.\d+\n$/);
  },
);

t.test(
  'where fonts, locale, time zone and home are missing, a quiet run says nothing on stderr',
  async (t) => {
    const bare = {
      LIBTORCH: findLibtorch().root,
      HOME: '/nonexistent',
      XDG_CACHE_HOME: '/nonexistent',
      FONTCONFIG_FILE: '/nonexistent',
      FONTCONFIG_PATH: '/nonexistent',
      LC_ALL: 'xx_XX.UTF-8',
      TZ: 'No/Where',
    };
    const good = predict('--quiet').filter((word) => word !== at('bad.png'));
    const { code, stderr } = await spawnCommand(good, bare);
    t.equal(stderr, '');
    t.equal(code, 0);
  },
);

t.test('what Node.js and packages say is for --verbose, and a warning once where it matters', async (t) => {
  const preload = at('preload.cjs');
  // Speaks when our own listener is added, in the main thread and in those that read annotations.
  await writeFile(
    preload,
    `const thread = require('node:worker_threads').isMainThread ? 'main' : 'reader';
    process.on('newListener', (name) => {
      if (name !== 'warning') return;
      process.emitWarning('old in ' + thread, 'DeprecationWarning', 'DEP0999');
      const speak = () => {
        console.log('log of ' + thread);
        console.error('error of ' + thread);
        if (thread === 'main') for (const _ of [1, 2]) process.emitWarning('no certificates');
      };
      if (thread === 'main') setImmediate(speak);
      else speak();
    });`,
  );
  // As many as make it start a thread.
  const count = 16;
  const annotation = JSON.stringify({
    imgHeight: 3,
    imgWidth: 5,
    objects: [{ label: 'road', polygon: [[0, 0], [4, 0], [4, 1], [0, 1]] }], // prettier-ignore
  });
  const names = Array.from({ length: count }, (_, i) => `gtFine/train/a/${i}_gtFine_polygons.json`);
  const tree = await writeTree(t, Object.fromEntries(names.map((name) => [name, annotation])));
  const env = { NODE_OPTIONS: `--require=${preload}` };
  const warning = 'warning: no certificates\n';
  const quiet = await spawnCommand(['prepare', 'idd', tree, '--quiet'], env);
  t.equal(quiet.stderr, warning);
  t.equal(quiet.stdout, `${tree}: ${count} label images made, 0 up to date\n`);
  const { stderr, stdout } = await spawnCommand(['prepare', 'idd', tree, '--force', '--verbose'], env);
  t.equal(stdout, `${tree}: ${count} label images made, 0 up to date\n`);
  t.equal(stderr.split(warning).length, 2, stderr);
  for (const thread of ['main', 'reader']) {
    t.match(stderr, `DeprecationWarning [DEP0999]: old in ${thread}\n`);
    t.match(stderr, `log of ${thread}`);
    t.match(stderr, `error of ${thread}`);
  }
});
