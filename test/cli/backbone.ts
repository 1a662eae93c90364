/** The way from a backbone alone to a table by commands: convert, train, eval, predict, features, forward, export. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { initModel } from '../../lib/model/init-model.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { runCommand } from '../helpers/command-line.js';
import { linearHead, writeLinearHead } from '../helpers/linear-head.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const at = (...names: string[]) => join(root, ...names);
const { data } = await tinySettings(root, { train: 4, val: 2 });
const photograph = at('data/leftImg8bit/val/scene/000004_leftImg8bit.png');
const model = at('backbone.pt');
await initModel({ arch: 'tiny-backbone', out: model, seed: 1 });

async function run(t: Test, ...args: string[]) {
  const { code, stdout, stderr } = await runCommand([...args, '--json']);
  t.equal(code, 0, `${args[0]}: ${stderr}`);
  return { result: JSON.parse(stdout) as Record<string, unknown>, stderr };
}

t.test('convert without a head writes the backbone alone', async (t) => {
  const { backbone } = await writeFormulaCheckpoints(root);
  const { result, stderr } = await run(t, 'convert', '--backbone', backbone, '--out', at('converted.pt'));
  t.match(result, { network: 'backbone', dims: { embedDim: 64, depth: 4 }, headKeys: 0 });
  t.match(stderr, /next: dinov3-seg train --model .*, which trains a linear probe/);
  using network = await SegmentationModel.load(at('converted.pt'));
  t.same(network.provides, ['features', 'layer_features']);
});

t.test('a probe is trained, evaluated, and used in every command', async (t) => {
  const out = at('run');
  const head = join(out, 'best.safetensors');
  const place = ['--model', model, '--device', 'cpu'];
  const size = ['--image-size', '64'];
  const training = [
    '--data',
    data,
    '--out',
    out,
    '--head-kind',
    'linear_probe',
    '--epochs',
    '2',
    '--lr',
    '1e-2',
  ];
  const trained = await runCommand(['train', ...place, ...training, ...size]);
  t.equal(trained.code, 0, trained.stderr);

  const evaluated = await run(t, 'eval', ...place, '--head', head, '--data', data);
  const { mIoU } = (await LinearProbe.load(head)).metadata;
  t.equal((evaluated.result as { mIoU: number }).mIoU, mIoU, 'the mIoU of the training');

  const predict = (folder: string, ...more: string[]) =>
    run(t, 'predict', ...place, ...more, '--output', at(folder), '--no-report', photograph);
  const mapIn = (folder: string) =>
    readFileSync(at(folder, '000004_leftImg8bit_segmentation/segmentation_raw.npy'));
  await predict('predicted', '--head', head);
  await predict('windows', '--head', head, '--window', 'slide');

  const detector = at('detector.pt');
  await initModel({ arch: 'tiny-detector', out: detector, seed: 1 });
  const table = at('table.csv');
  const features = ['features', '--detector', detector, '--detector-size', '192', photograph];
  await run(t, ...features, ...place, '--head', head, '--output', table);
  const [columns, values] = readFileSync(table, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  const named = (start: string) =>
    columns!.flatMap((name, i) => (name.startsWith(start) ? [Number(values![i])] : []));
  t.equal(named('det_vit_').length, 10);
  const shares = named('seg_vit_');
  t.equal(shares.length, 26);
  t.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 100) < 1e-6, 'percentages');

  const exported = at('exported.pt');
  const written = await run(t, 'export', '--model', model, '--head', head, '--out', exported);
  t.match(written.result, { width: 64, layers: 1, classes: 26 });
  const own = ['--model', exported, '--device', 'cpu', '--classes', 'idd26', ...size];
  for (const [folder, window] of [
    ['predicted', 'whole'],
    ['windows', 'slide'],
  ] as const) {
    const again = `own-${window}`;
    await run(t, 'predict', ...own, '--output', at(again), '--no-report', '--window', window, photograph);
    t.ok(mapIn(again).equals(mapIn(folder)), `the same class map with the probe inside, ${window}`);
  }
  await run(t, ...features, ...own.filter((flag) => !/classes|idd26/.test(flag)), '--output', at('own.csv'));
  t.equal(readFileSync(at('own.csv'), 'utf8'), readFileSync(table, 'utf8'), 'and the same table');
});

t.test('forward writes features, and a probe’s logits', async (t) => {
  using image = Tensor.from(new Float32Array(3 * 32 * 64).fill(0.3), [1, 3, 32, 64]);
  const input = at('image.safetensors');
  await engine().writeSafetensors(input, { image: image.handle }, {});
  const forward = (...more: string[]) =>
    run(t, 'forward', '--input', input, '--output', at('out.safetensors'), '--device', 'cpu', ...more);
  const features = { features: [1, 64, 2, 4], layer_features: [1, 256, 2, 4] };
  t.same((await forward('--model', model)).result, { output: at('out.safetensors'), ...features });
  const head = await writeLinearHead(at('model_final.pth'), linearHead(3, 64));
  const { result } = await forward('--model', model, '--head', head);
  t.same(result, { output: at('out.safetensors'), ...features, logits: [1, 3, 32, 64] });
  const logits = readSafetensors(at('out.safetensors')).tensors['logits']!.data;

  const exported = at('with-head.pt');
  await run(t, 'export', '--model', model, '--head', head, '--out', exported);
  t.same((await forward('--model', exported)).result, result, 'the probe inside');
  t.same(readSafetensors(at('out.safetensors')).tensors['logits']!.data, logits);
});

t.test('export of a whole network with a probe says what is left out', async (t) => {
  const segmentor = at('segmentor.pt');
  await initModel({ arch: 'tiny', out: segmentor, seed: 1 });
  const head = at('probe.safetensors');
  const classSet = await loadClassSet('idd26');
  await (await LinearProbe.from(linearHead(26, 64), { metadata: { classSet } })).save(head);
  const { stderr } = await run(t, 'export', '--model', segmentor, '--head', head, '--out', at('probed.pt'));
  t.match(stderr, /contains the backbone and the probe, without the adapter and the decoder/);
});

t.test('a command that needs a decoder says what to do', async (t) => {
  const refused = await runCommand(['predict', '--model', model, '--output', at('none'), photograph]);
  t.equal(refused.code, 1);
  t.match(refused.stderr, /has no class_embed.*train --head-kind linear_probe/s);
});
