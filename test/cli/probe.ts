/** The whole way of the shipped network's backbone alone on drawn scenes, by commands. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeShippedScenes } from '../../lib/demo/shipped-scenes.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { runCommand } from '../helpers/command-line.js';

const shipped = join(import.meta.dirname, '../../models/street-small/backbone.safetensors');

t.test('convert, train, eval, predict, features, export', async (t) => {
  const root = t.testdir();
  const at = (...names: string[]) => join(root, ...names);
  await writeShippedScenes(at('data'), 'data', { train: 6, val: 2 });
  const run = async (...args: string[]) => {
    const ended = await runCommand(args);
    t.equal(ended.code, 0, `${args[0]}: ${ended.stderr}`);
    return ended;
  };
  const [model, head] = [at('backbone.pt'), at('run/best.safetensors')];
  await run('convert', '--backbone', shipped, '--out', model);
  const place = ['--model', model, '--device', 'cpu'];
  const settings = ['--image-size', '96', '--epochs', '3', '--lr', '1e-2', '--layers', '4'];
  const trained = await run(
    ...['train', ...place, '--data', at('data'), '--out', at('run'), ...settings],
    ...['--cache-dtype', 'uint8', '--flip', '0'],
  );
  t.match(
    trained.stderr,
    /backbone\.pt is a backbone alone: a linear probe is trained \(--head-kind linear_probe\)/,
  );
  t.match(trained.stderr, /8 records of .* uint8\)/);
  using probe = await LinearProbe.load(head, { device: 'cpu' });
  t.equal(probe.layers, 4);

  const { stdout } = await run('eval', ...place, '--head', head, '--data', at('data'), '--json');
  const { mIoU, images } = JSON.parse(stdout) as { mIoU: number; images: number };
  t.equal(images, 2);
  // The features of the training were stored in 8 bits.
  t.ok(Math.abs(mIoU - probe.metadata.mIoU!) < 0.02, `${mIoU}, ${probe.metadata.mIoU} in the training`);

  const scenes = at('data/leftImg8bit/val');
  await run('predict', ...place, '--head', head, '--output', at('predictions'), '--no-report', scenes);
  t.ok(existsSync(at('predictions')));
  await run('features', ...place, '--head', head, '--output', at('table.csv'), scenes);
  t.equal(readFileSync(at('table.csv'), 'utf8').trim().split('\n').length, 3, 'a row for each image');
  await run('export', '--model', model, '--head', head, '--out', at('exported.pt'));
  t.match((await run('inspect', at('exported.pt'))).stdout, /segmentation_model\.1\.conv\.weight/);
});
