import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import t from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert } from '../../lib/model/convert.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { runCommand, spawnCommand } from '../helpers/command-line.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout, writeTree } from '../helpers/temporary.js';

const commands = [
  'demo',
  'doctor',
  'libtorch',
  'convert',
  'init',
  'inspect',
  'forward',
  'train',
  'eval',
  'compare',
  'predict',
  'features',
  'merge',
  'export',
];

t.test('-h explains the program and every command', async (t) => {
  const { code, stdout } = await spawnCommand(['-h']);
  t.equal(code, 0);
  for (const name of commands) {
    t.ok(stdout.includes(`\n  ${name} `), name);
    const help = await runCommand([name, '-h']);
    t.equal(help.code, 0);
    t.match(help.stdout, `usage: dinov3-seg ${name}`);
    t.match(help.stdout, '--help');
  }
});

t.test('wrong usage ends with exit code 2 and says what was meant', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /No command was given/],
    [['trian'], /Unknown command "trian"\. Did you mean "train"\?/],
    [['train', '--epoch', '3'], /Unknown flag --epoch\. Did you mean "--epochs"\?/],
    [
      ['train', '--epochs', 'many', '--out', 'x'],
      /--epochs should be a whole number of at least 1, not "many"/,
    ],
    [['train', '--out', 'nowhere'], /INVALID_ARGUMENT: Missing --model FILE: TorchScript file/],
    [['train', '--out', 'x', '--mode', 'fast'], /--mode should be one of cached, live, not "fast"/],
    [
      ['cache', 'make', 'c', '--pass-size', '0'],
      /--pass-size should be a whole number of at least 1, not "0"/,
    ],
    [['eval', '--pass-size', '1.5'], /--pass-size should be a whole number of at least 1, not "1.5"/],
    [['cache', 'fill'], /cache expects one of make, merge, check, list, remove, not "fill"/],
    [['cache', 'merge', 'c'], /Missing PART…: cache merge needs the folders of all parts/],
    [['cache', 'list', 'a', 'b'], /cache list takes one folder; "b" is another/],
    [['cache', 'make', '--data', 'd'], /Missing DIR or --out RUN/],
    [['cache', 'check'], /Missing DIR: cache check needs the folder of a cache/],
    [['convert', '--backbone', 'a'], /Missing --out FILE: TorchScript file/],
    [
      ['convert', '--backbone', 'a', '--head', 'b', '--out', 'c', '--task', 'depth'],
      /--task should be one of segmentation, detection, not "depth"/,
    ],
    [['libtorch', 'remove'], /libtorch expects install or where, not "remove"/],
    [['predict', '--model', 'm', '--output', 'o'], /Missing IMAGE…: image files/],
  ];
  for (const [argv, message] of cases) {
    const { code, stdout, stderr } = await runCommand(argv);
    t.equal(code, 2, argv.join(' '));
    t.match(stderr, message);
    t.equal(stdout, '');
  }
});

t.test('a failure ends with exit code 1, its code and one message; the stack comes with DEBUG', async (t) => {
  const plain = await spawnCommand(['inspect', '/absent/file.pth']);
  t.equal(plain.code, 1);
  t.match(plain.stderr, /^FILE_NOT_FOUND: .*\/absent\/file\.pth[^\n]*\n$/);
  const debug = await spawnCommand(['inspect', '/absent/file.pth'], { DEBUG: '1' });
  t.match(debug.stderr, /\n {4}at /);
});

t.test('doctor says what it found', async (t) => {
  const { code, stdout } = await spawnCommand(['doctor', '--json']);
  const report = JSON.parse(stdout) as { ok: boolean; findings: { name: string }[] };
  t.equal(code, 0);
  t.ok(report.ok);
  const names = report.findings.map(({ name }) => name);
  for (const name of ['package', 'node', 'libtorch', 'addon', 'device cpu']) t.ok(names.includes(name), name);
  const nowhere = { DINOV3_SEG_LIBTORCH: '/absent' };
  const broken = await spawnCommand(['doctor'], nowhere);
  t.equal(broken.code, 1);
  t.match(broken.stdout, /FAULT {2}libtorch: LIBTORCH_UNSUPPORTED: DINOV3_SEG_LIBTORCH names \/absent/);
});

t.test('convert, inspect, forward and export work on files', async (t) => {
  const root = t.testdir();
  const at = (name: string) => join(root, name);
  const { backbone, head } = await writeFormulaCheckpoints(root);
  const converted = await runCommand([
    'convert',
    '--backbone',
    backbone,
    '--head',
    head,
    '--out',
    at('m.pt'),
    '--json',
  ]);
  t.equal(converted.code, 0, converted.stderr);
  t.match(JSON.parse(converted.stdout), { out: at('m.pt') });

  const inspected = await runCommand(['inspect', at('m.pt'), '--json']);
  t.match(JSON.parse(inspected.stdout), { format: 'torchscript' });
  const listed = await runCommand(['inspect', backbone]);
  t.match(listed.stdout, /cls_token +1×1×64 +float32/);
  t.match(listed.stdout, /DINOv3 backbone of width 64: 4 blocks, 2 attention heads, swiglu; keys of Meta\n/);
  const again = await runCommand(['convert', '--backbone', at('m.pt'), '--head', head, '--out', at('n.pt')]);
  t.match(again.stderr, /layout of Meta, after 'segmentation_model\.0\.backbone\.'/);
  t.notMatch(again.stdout, /notes/);

  const { data, shape } = formulaTensor('image', [1, 3, 64, 96]);
  using image = Tensor.from(data, shape);
  await engine().writeSafetensors(at('in.safetensors'), { image: image.handle }, {});
  const io = ['--input', at('in.safetensors'), '--output', at('out.safetensors'), '--device', 'cpu'];
  const forward = await runCommand(['forward', '--model', at('m.pt'), ...io]);
  t.equal(forward.code, 0, forward.stderr);
  const golden = formulaOutputs('seg-swiglu');
  const names = { queries: 'predictor.queries', pred_logits: 'pred_logits', pred_masks: 'pred_masks' };
  const written = readSafetensors(at('out.safetensors')).tensors;
  t.same(Object.keys(written).sort(), Object.keys(names).sort());
  for (const [name, key] of Object.entries(names))
    close(t, name, written[name]!.data as Float32Array, golden[key]!.data as Float32Array, { rtol: 1e-5 });

  using trained = ClassHead.create({ hidden: 64, classes: 26, seed: 1 });
  await trained.save(at('h.safetensors'));
  const withHead = await runCommand(['forward', '--model', at('m.pt'), '--head', at('h.safetensors'), ...io]);
  t.equal(withHead.code, 0, withHead.stderr);
  t.same(readSafetensors(at('out.safetensors')).tensors['pred_logits']!.shape, [1, 100, 26]);
  const exporting = ['--model', at('m.pt'), '--head', at('h.safetensors'), '--out', at('e.pt')];
  t.equal((await runCommand(['export', ...exporting])).code, 0);
  t.ok(existsSync(at('e.pt')));

  using odd = Tensor.from(new Float32Array(3 * 64 * 100), [1, 3, 64, 100]);
  await engine().writeSafetensors(at('odd.safetensors'), { image: odd.handle }, {});
  const refused: [string[], RegExp][] = [
    [['--input', at('odd.safetensors')], /^SHAPE: .*width 96 or 128 instead of 100/],
    [['--input', backbone], /^CHECKPOINT_KEYS: .*should hold a tensor "image"/],
    [['--input', at('in.safetensors'), '--device', 'tpu'], /^DEVICE: /],
  ];
  for (const [flags, message] of refused) {
    const argv = ['forward', '--model', at('m.pt'), '--output', at('x.safetensors'), ...flags];
    const { code, stderr } = await runCommand(argv);
    t.equal(code, 1);
    t.match(stderr, message);
  }
  t.notOk(existsSync(at('x.safetensors')));
});

const sample = 'data/ade20k-sample/images/ADE_val_00000001.jpg';
const skip = skipWithout(sample) || skipWithout('golden/seg-swiglu/head.pth');

t.test('the ADE20K sample in the Cityscapes layout: train, eval and predict', { skip }, async (t) => {
  const { copyFile, mkdir } = await import('node:fs/promises');
  const root = t.testdir();
  const at = (name: string) => join(root, name);
  const [from, checkpoints] = [join(shared, 'data/ade20k-sample'), join(shared, 'golden/seg-swiglu')];
  for (const [split, numbers] of [
    ['train', [1, 2]],
    ['val', [3]],
  ] as const) {
    for (const part of ['leftImg8bit', 'gtFine'])
      await mkdir(at(`data/${part}/${split}/ade`), { recursive: true });
    for (const n of numbers) {
      const [name, frame] = [`ADE_val_0000000${n}`, `${split}/ade/${n}`];
      await copyFile(join(from, `images/${name}.jpg`), at(`data/leftImg8bit/${frame}_leftImg8bit.jpg`));
      await copyFile(join(from, `annotations/${name}.png`), at(`data/gtFine/${frame}_gtFine_labelIds.png`));
    }
  }
  const model = at('m.pt');
  await convert({
    backbone: join(checkpoints, 'backbone.pth'),
    head: join(checkpoints, 'head.pth'),
    out: model,
  });
  const data = ['--model', model, '--data', at('data')];
  const training = [
    '--out',
    at('run'),
    '--classes',
    'ade150',
    '--epochs',
    '2',
    '--image-size',
    '128',
    '--lr',
    '2e-3',
  ];
  const trained = await runCommand(['train', ...data, ...training]);
  t.equal(trained.code, 0, trained.stderr);
  const head = ['--head', at('run/best.safetensors')];
  const measured = await runCommand(['eval', ...data, ...head, '--json']);
  t.equal(measured.code, 0, measured.stderr);
  t.type((JSON.parse(measured.stdout) as { mIoU: number }).mIoU, 'number');
  const own = await runCommand(['eval', ...data, '--image-size', '128']);
  t.match(own.stdout, /^mIoU +\d+\.\d\d %.*\n.*\n.*\nloss +–/, own.stderr);
  const images = join(from, 'images');
  const predicted = await runCommand(['predict', '--model', model, ...head, '--output', at('out'), images]);
  t.equal(predicted.code, 0, predicted.stderr);
  for (const n of [1, 2, 3]) t.ok(existsSync(at(`out/ADE_val_0000000${n}_segmentation/comparison.png`)));
});

t.test('predict names what it could not read and ends with exit code 1', async (t) => {
  const root = await writeTree(t, {
    'good.png': await encodePng(new Uint8Array(40 * 30 * 3), 40, 30, 3),
    'bad.png': randomBytes(50),
  });
  const at = (name: string) => join(root, name);
  const checkpoints = await writeFormulaCheckpoints(root);
  await convert({ ...checkpoints, out: at('m.pt') });
  const argv = [
    '--model',
    at('m.pt'),
    '--output',
    at('out'),
    '--image-size',
    '64',
    at('bad.png'),
    at('good.png'),
  ];
  const { code, stdout, stderr } = await runCommand(['predict', ...argv]);
  t.equal(code, 1);
  t.equal(stdout.trim(), at('out/good_segmentation'));
  t.match(stderr, /^IMAGE: .*bad\.png/m);
  t.match(stderr, /1 of 2 images failed/);
});
