/** The command, and the page that it writes. */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Comparison } from '../../lib/compare/comparison.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { runCommand, startCommand, shellCode } from '../helpers/command-line.js';
import { indicesIn } from '../helpers/report.js';
import { scenesAndHead } from '../helpers/scenes-and-head.js';

const root = t.testdir();
const at = (...parts: string[]) => join(root, ...parts);
const { settings, classSet, dataset, model } = await scenesAndHead(root);
const other = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 5 });
await other.save(at('other.safetensors'), { metadata: { imageSize: 64 } });
const images = dataset.pairs.map(({ image }) => image);
const network = ['--model', settings.model, '--device', 'cpu'];
const heads = ['--head', at('head.safetensors'), '--head', at('other.safetensors')];
const labels = ['--data', settings.data];

t.test('two heads on labelled images: JSON, mIoU as eval has it, a page', async (t) => {
  const report = ['--report', at('deep/compare.html')];
  const { code, stdout, stderr } = await runCommand([
    'compare',
    ...network,
    ...heads,
    ...labels,
    '--json',
    ...report,
  ]);
  t.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as Comparison;
  t.match(result, { images: 5, failed: [], report: at('deep/compare.html'), classSet: 'idd26' });
  for (const [side, name] of [
    ['a', 'head'],
    ['b', 'other'],
  ] as const) {
    const own = ['--head', at(`${name}.safetensors`)];
    const measured = await runCommand(['eval', ...network, ...own, ...labels, '--json']);
    const { mIoU } = JSON.parse(measured.stdout) as { mIoU: number };
    t.equal(result.labels![side].mIoU, mIoU, name);
  }
  const page = readFileSync(at('deep/compare.html'), 'utf8');
  t.match(page, /<h1>Comparison on idd26<\/h1>/);
  t.match(page, new RegExp(`<dd>${(100 * result.samePixels!.mean).toFixed(2)} %<small>± `));
  const most = [...result.perImage].sort((one, two) => one.samePixels - two.samePixels);
  const names = [...page.matchAll(/<article data-name="([^"]+)"/g)].map(([, name]) => name);
  t.same(
    names,
    most.map(({ name }) => name),
    'the most different first',
  );
  const maps = await indicesIn(page, 'prediction');
  t.equal(maps.length, 10, 'of A and B');
  t.equal((await indicesIn(page, 'truth')).length, 5);
  t.equal([...page.matchAll(/data-role="picture" data-name="different pixels"/g)].length, 5);
  const differing = maps[0]!.filter((value, i) => value !== maps[1]![i]).length / maps[0]!.length;
  t.ok(Math.abs(differing - (1 - most[0]!.samePixels)) < 0.02, 'the maps of the first image');
});

t.test('two precisions on files: text, with a value for each side or one for both', async (t) => {
  const flags = ['--head', at('head.safetensors'), '--dtype', 'bfloat16,float32', ...images.slice(0, 2)];
  const { code, stdout, stderr } = await runCommand(['compare', ...network, ...flags]);
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    /^A +.*model\.pt, .*head\.safetensors, bfloat16, precision float16\nB +.*, float32, precision float16\n/,
  );
  t.match(stdout, /^images +2, at 64×64$/m);
  t.match(stdout, /^same class +\d+\.\d\d ± \d\.\d\d % of the pixels$/m);
  t.match(stdout, /^mask logits +0\.\d+ ± /m);
  t.match(stdout, /^class +same +pixels by B +pixels by A$/m);
  t.notMatch(stdout, /mIoU/);
});

t.test('settings may come from a file', async (t) => {
  const given = { model: settings.model, head: [at('head.safetensors'), at('other.safetensors')] };
  writeFileSync(at('run.json'), JSON.stringify({ ...given, device: 'cpu', arguments: images.slice(0, 1) }));
  const saved = ['--save-config', at('saved.yaml')];
  const first = await runCommand(['compare', '--config', at('run.json'), '--json', ...saved]);
  t.equal(first.code, 0, first.stderr);
  const second = await runCommand(['compare', '--config', at('saved.yaml')]);
  t.equal(second.code, 0, second.stderr);
  t.match(JSON.parse(first.stdout), JSON.parse(second.stdout) as object);
});

t.test('wrong usage ends with exit code 2', async (t) => {
  const cases: [string[], RegExp][] = [
    [[...network], /Missing IMAGE… or --data DIR: the images to compare on/],
    [[...network, ...labels, 'a.png'], /by --data or as arguments, not both; "a\.png" is an argument/],
    [[...network, images[0]!], /INVALID_ARGUMENT: There is nothing to compare: both sides are/],
    [[...network, ...heads, '--head', 'c', images[0]!], /--head takes 1 to 2 values, not 3/],
    [
      [...network, '--precision', 'tf32,fats', 'a'],
      /--precision should be one of .*"fats"\. Did you mean "fast"/,
    ],
  ];
  for (const [flags, message] of cases) {
    const { code, stderr, stdout } = await runCommand(['compare', ...flags]);
    t.equal(code, 2, flags.join(' '));
    t.match(stderr, message);
    t.equal(stdout, '');
  }
});

t.test('heads for other classes, and images that cannot be read, end with exit code 1', async (t) => {
  const own = await runCommand([
    'compare',
    ...network,
    '--model',
    settings.model,
    ...heads,
    ...labels,
    '--classes',
    'ade150',
  ]);
  t.equal(own.code, 1);
  t.match(own.stderr, /^HEAD_MISMATCH: The head has 26 outputs/m);
  writeFileSync(at('bad.png'), 'no image');
  const some = await runCommand(['compare', ...network, ...heads, '--json', at('bad.png'), images[0]!]);
  t.equal(some.code, 1);
  t.match(some.stderr, /^IMAGE: .*bad\.png/m);
  t.match(JSON.parse(some.stdout), { images: 1, failed: [{ image: at('bad.png'), code: 'IMAGE' }] });
});

t.test('results are printed where the page cannot be written', async (t) => {
  mkdirSync(at('taken.html/below'), { recursive: true });
  const report = ['--report', at('taken.html')];
  const { code, stdout, stderr } = await runCommand([
    'compare',
    ...network,
    ...heads,
    images[0]!,
    '--json',
    ...report,
  ]);
  t.equal(code, 1);
  t.match(JSON.parse(stdout), { images: 1, report: null });
  t.match(stderr, /IO: .*taken\.html could not be written/);
});

t.test('a page without differences shows no images', async (t) => {
  copyFileSync(settings.model, at('copy.pt'));
  const both = ['--model', at('copy.pt'), '--head', at('head.safetensors'), images[0]!];
  const result = await runCommand(['compare', ...network, ...both, '--report', at('same.html')]);
  t.equal(result.code, 0, result.stderr);
  t.match(result.stdout, /^same class +100\.00 % of the pixels$/m);
  t.notMatch(readFileSync(at('same.html'), 'utf8'), /class="examples-section"/);
});

t.test('Ctrl-C ends it with exit code 130 and leaves nothing behind', async (t) => {
  mkdirSync(at('tmp'));
  const flags = ['--head', at('head.safetensors'), '--dtype', 'bfloat16,float32', '--image-size', '512'];
  const argv = ['compare', ...network, ...flags, ...labels, '--verbose'];
  const { child, ended } = startCommand(argv, { TMPDIR: at('tmp') });
  // The settings are printed after the command has begun to listen to signals.
  child.stderr!.on(
    'data',
    (text: string) => text.includes('bfloat16') && !child.killed && child.kill('SIGINT'),
  );
  const end = await ended;
  const { stdout, stderr } = end;
  t.equal(shellCode(end), 130, stderr);
  t.match(stderr, /^.*ABORTED: .*Stopped by SIGINT\.$/m);
  t.equal(stdout, '');
  t.same(readdirSync(at('tmp')), []);
});
