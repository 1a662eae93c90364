import { installLibtorch } from '../native/install-libtorch.js';
import { findLibtorch } from '../native/libtorch.js';
import { withoutUndefined } from '../without-undefined.js';
import { command, note, print } from './command.js';
import { UsageError } from './parse.js';

export default command({
  name: 'libtorch',
  summary: 'Fetches libtorch into the cache, or says which one is used.',
  positionals: {
    name: 'install|where',
    help: 'install: download it with pip; where: print its folder',
    least: 1,
    most: 1,
  },
  flags: {
    version: { type: 'text', value: 'X.Y.Z', help: 'version to install (default 2.13.0)' },
  },
  async run({ flags: { version }, positionals: [action] }) {
    if (action === 'install') {
      const onProgress = ({ message }: { message: string }) => note(message);
      print(await installLibtorch({ ...withoutUndefined({ version }), onProgress }));
    } else if (action === 'where') print(findLibtorch().root);
    else throw new UsageError(`libtorch takes install or where; "${action}" was given.`);
  },
});
