/** The commands whose writes are made to fail, on files small enough for hundreds of runs. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeDemoDataset } from '../../../packages/street-scenes/index.mjs';
import { convert } from '../../../dist/index.js';
import { engine } from '../../../dist/native/engine.js';
import { runCommand } from './run-command.mjs';

async function done(args) {
  const { code, stderr } = await runCommand(args);
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
}

/**
 * Writes what the commands read below `folder`.
 *
 * @returns by name: `prepare(out)` puts what the command finds into its folder, `args(out)` and `again(out)` are its arguments at
 *   first and once the disk is mended.
 */
export async function makeCommands(folder) {
  const at = (name) => join(folder, name);
  const [backbone, head, model] = ['backbone.safetensors', 'head.safetensors', 'model.pt'].map(at);
  await engine().callOperator('dinov3_seg_reference::init_checkpoint', ['tiny', 1, backbone, head]);
  await convert({ backbone, head, out: model });
  await writeDemoDataset(at('data'), { train: 4, val: 2, width: 96, height: 64 });
  const images = at('data/leftImg8bit/val');
  const pass = ['--model', model, '--data', at('data'), '--image-size', '64', '--device', 'cpu'];
  const settings = [...pass, '--epochs', '2', '--lr', '2e-3', '--seed', '5'];
  await done(['train', ...settings, '--out', at('run'), '--cache', at('cache')]);
  const trained = ['--model', model, '--head', at('run/best.safetensors'), '--device', 'cpu'];

  const command = (args, again = args, prepare = () => {}) => ({ prepare, args, again });
  const train = (out) => ['train', '--out', join(out, 'run'), '--cache', join(out, 'cache')];
  return {
    'cache make': command((out) => ['cache', 'make', ...pass, '--cache', join(out, 'cache')]),
    train: command(
      (out) => [...train(out), ...settings, '--save-every-seconds', '0'],
      (out) => [...train(out), '--resume'],
      (out) => cpSync(at('cache'), join(out, 'cache'), { recursive: true, preserveTimestamps: true }),
    ),
    features: command((out) => ['features', ...trained, '--output', join(out, 'table.csv'), images]),
    predict: command(
      (out) => ['predict', ...trained, '--output', join(out, 'predictions'), images],
      (out) => ['predict', ...trained, '--output', join(out, 'predictions'), '--skip-existing', images],
    ),
    convert: command((out) => [
      'convert',
      '--backbone',
      backbone,
      '--head',
      head,
      '--out',
      join(out, 'model.pt'),
    ]),
    export: command((out) => ['export', ...trained.slice(0, 4), '--out', join(out, 'exported.pt')]),
  };
}

export function freshFolder(path, prepare) {
  mkdirSync(path, { recursive: true });
  prepare(path);
}
