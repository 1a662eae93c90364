/** How libtorch is set up when it is loaded. */
import { join } from 'node:path';
import t from 'tap';
import { startProgram } from '../helpers/command-line.js';

const dist = join(import.meta.dirname, '../../dist');

t.test('NNPACK is off from the first call on, and nothing is printed', async (t) => {
  const program = `const { engine } = await import('${dist}/native/engine.js');
    console.log(engine().info().nnpack);`;
  const args = ['--input-type=module', '-e', program];
  const { stdout, stderr } = await startProgram(process.execPath, args).ended;
  t.same({ stdout, stderr }, { stdout: 'false\n', stderr: '' });
});
