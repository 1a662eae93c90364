import { runDemo } from '../demo/run-demo.js';
import { command } from './command.js';
import { note, print } from './output.js';

export default command({
  name: 'demo',
  summary:
    'Runs the whole workflow on built-in data (a small network and drawn scenes): training, evaluation, features, report.',
  flags: {
    out: { type: 'text', value: 'DIR', default: 'demo-output', help: 'output folder' },
  },
  stoppable: true,
  async run({ flags: { out }, signal }) {
    print(await runDemo({ out, signal, onLog: note }));
  },
});
