import { runDemo } from '../demo/run-demo.js';
import { command, note, print } from './command.js';

export default command({
  name: 'demo',
  summary:
    'The whole job on built-in data: the shipped small network, drawn scenes, training, evaluation, features, a report.',
  flags: {
    out: { type: 'text', value: 'DIR', help: 'folder to write to (default demo-output)' },
  },
  stoppable: true,
  async run({ flags: { out = 'demo-output' }, signal }) {
    print(await runDemo({ out, signal, onLog: note }));
  },
});
