import { runDemo } from '../demo/run-demo.js';
import { command, note, print } from './command.js';

export default command({
  name: 'demo',
  summary: 'The whole job on a small random network and generated street scenes: train, evaluate, predict.',
  flags: {
    out: { type: 'text', value: 'DIR', help: 'folder to write to (default demo-output)' },
  },
  stoppable: true,
  async run({ flags: { out = 'demo-output' }, signal }) {
    print(await runDemo({ out, signal, onLog: note }));
  },
});
