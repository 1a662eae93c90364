import { runDemo } from '../demo/run-demo.js';
import { command } from './command.js';
import { note, print } from './output.js';

export default command({
  name: 'demo',
  summary:
    'The whole job on built-in data: the shipped small network, drawn scenes, training, evaluation, features, a report.',
  flags: {
    out: { type: 'text', value: 'DIR', default: 'demo-output', help: 'folder to write to' },
  },
  stoppable: true,
  async run({ flags: { out }, signal }) {
    print(await runDemo({ out, signal, onLog: note }));
  },
});
