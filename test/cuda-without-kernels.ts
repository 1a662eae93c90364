/** A CUDA device without the package's kernels: libtorch's operators give the same, also in recorded passes. Skips where none answers. */
import t from 'tap';
import { engine } from '../lib/native/engine.js';
import { close } from './helpers/close.js';
import { startProgram } from './helpers/command-line.js';
import { writeFormulaModel } from './helpers/network.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';

/** Masks of a network in a process of its own: of an ordinary pass, a recorded one and a repeated one. */
const program = (path: string) => `
  const { SegmentationModel, Tensor } = await import('${import.meta.dirname}/../dist/index.js');
  const { engine } = await import('${import.meta.dirname}/../dist/native/engine.js');
  const model = await SegmentationModel.load('${path}', { device: 'cuda' });
  const images = Tensor.from(Float32Array.from({ length: 3 * 64 * 96 }, (_, i) => Math.sin(i)), [1, 3, 64, 96]);
  const passes = [];
  for (let pass = 0; pass < 4; pass++) passes.push([...(await (await model.decode(images)).masks.floats())]);
  console.log(JSON.stringify({ passes, kernels: engine().info().cudaKernels }));`;

t.test('turned off, they cost one warning, and results are those of the kernels', { skip }, async (t) => {
  const path = await writeFormulaModel(t.testdir());
  const run = async (setting: string) => {
    const args = ['--input-type=module', '-e', program(path)];
    const { code, stdout, stderr } = await startProgram(process.execPath, args, {
      DINOV3_SEG_CUDA_KERNELS: setting,
    }).ended;
    t.equal(code, 0, stderr);
    return { stderr, ...(JSON.parse(stdout) as { passes: number[][]; kernels: boolean }) };
  };
  const [on, off] = [await run('on'), await run('off')];
  t.same([on.kernels, off.kernels], [true, false]);
  t.notMatch(on.stderr, /CUDA kernels/);
  t.equal(
    off.stderr.match(/The CUDA kernels of this package are not used\. DINOV3_SEG_CUDA_KERNELS=off/g)?.length,
    1,
  );
  for (const [i, masks] of off.passes.entries())
    close(t, `pass ${i + 1}`, Float32Array.from(masks), Float32Array.from(on.passes[0]!), { rtol: 1e-5 });
});
