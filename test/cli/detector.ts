/** Detectors on the command line. */
import { join } from 'node:path';
import t from 'tap';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';
import { readSafetensors } from '../helpers/safetensors.js';

t.test('convert makes a detector, and forward writes its boxes', async (t) => {
  const root = t.testdir();
  const at = (name: string) => join(root, name);
  const { backbone, head } = await writeFormulaCheckpoints(root, 'det');
  const argv = ['--backbone', backbone, '--head', head, '--out', at('m.pt'), '--task', 'detection', '--json'];
  const converted = await runCommand(['convert', ...argv]);
  t.equal(converted.code, 0, converted.stderr);
  t.match(JSON.parse(converted.stdout), { out: at('m.pt'), dims: { queries: 30, classes: 91 } });

  const { data, shape } = formulaTensor('image', [1, 3, 144, 192]);
  using image = Tensor.from(data, shape);
  await engine().writeSafetensors(at('in.safetensors'), { image: image.handle }, {});
  const io = ['--input', at('in.safetensors'), '--output', at('out.safetensors'), '--device', 'cpu'];
  const forward = await runCommand(['forward', '--model', at('m.pt'), ...io]);
  t.equal(forward.code, 0, forward.stderr);
  const golden = formulaOutputs('det');
  const written = readSafetensors(at('out.safetensors')).tensors;
  const names = ['pred_logits', 'pred_boxes', 'scores', 'labels', 'boxes'];
  t.same(Object.keys(written).sort(), names.sort());
  for (const name of names) t.same(written[name]!.shape, golden[name]!.shape, name);
  for (const name of ['pred_logits', 'pred_boxes', 'scores'])
    close(t, name, written[name]!.data, golden[name]!.data, { rtol: 1e-4 });

  const wrong = await runCommand(['convert', ...argv.filter((arg) => !/^(--task|detection)$/.test(arg))]);
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, /^CHECKPOINT_KEYS: This is a detection head/);
  const beside = await runCommand(['forward', '--model', at('m.pt'), '--head', head, ...io]);
  t.equal(beside.code, 2);
  t.match(beside.stderr, /^INVALID_ARGUMENT: .*does not accept a head/);
});
