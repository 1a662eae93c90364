import { inspect } from '../model/convert.js';
import { command } from './command.js';
import { print, printJson } from './output.js';
import { jsonFlag } from './shared-flags.js';
import { inspectionText } from './text.js';

export default command({
  name: 'inspect',
  summary:
    'Lists keys, shapes, dtypes and parameter counts of a checkpoint, and says what backbone it contains.',
  positionals: {
    name: 'PATH',
    help: '.pth, .safetensors or TorchScript file, or a folder with weights',
    least: 1,
    most: 1,
  },
  stoppable: true,
  flags: jsonFlag,
  async run({ flags, positionals, signal }) {
    const inspection = await inspect(positionals[0]!, { signal });
    if (flags.json) printJson(inspection);
    else print(inspectionText(inspection));
  },
});
