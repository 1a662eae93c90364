import { installLibtorch, type InstallProgress } from '../native/libtorch/install-libtorch.js';
import { findLibtorch } from '../native/libtorch/find-libtorch.js';
import { withoutUndefined } from '../without-undefined.js';
import { command } from './command.js';
import { detail, next, note, print, printJson, progressBar } from './output.js';
import { UsageError } from './parse.js';
import { jsonFlag } from './shared-flags.js';

export default command({
  name: 'libtorch',
  summary: 'Installs libtorch into the cache, or shows which libtorch is used.',
  positionals: {
    name: 'install|where',
    help: 'install: download it with pip, or install it from --from; where: print the folder of the libtorch in use',
    least: 1,
    most: 1,
  },
  flags: {
    version: {
      type: 'text',
      value: 'X.Y.Z[+BUILD]',
      help: 'version to download with pip (default 2.13.0); 2.13.0+cpu selects a build',
    },
    cuda: {
      type: 'text',
      value: 'X.Y',
      help: 'CUDA version of the build, such as 13.0 or 12.6 (default: that of the index or SOURCE)',
    },
    from: {
      type: 'text',
      value: 'SOURCE',
      help: "torch wheel, folder of wheels, libtorch zip, folder of libtorch or of Python's torch package, or URL of a wheel or zip",
    },
    sha256: {
      type: 'text',
      value: 'HEX',
      help: 'SHA-256 of the wheel or zip (default: from SOURCE.sha256 or #sha256=HEX in the URL, if present)',
    },
    force: { type: 'boolean', help: 'reinstall even if an intact installation exists' },
    ...jsonFlag,
  },
  stoppable: true,
  async run({ flags: { json, ...flags }, positionals: [action], signal }) {
    if (action === 'install') {
      const onProgress = progressPrinter();
      const result = await installLibtorch({ ...withoutUndefined(flags), signal, onProgress });
      const { version, build, alreadyThere } = result;
      note(
        `libtorch ${version} (${build}) ${alreadyThere ? 'is already installed and intact' : 'is installed'}`,
      );
      if (json) printJson(result);
      else print(result.root);
      next('dinov3-seg doctor');
    } else if (action === 'where') {
      const given = Object.entries(flags).find(([, value]) => value !== undefined);
      if (given) throw new UsageError(`--${given[0]} is only for libtorch install.`);
      const found = findLibtorch();
      if (json) printJson(found);
      else print(found.root);
    } else throw new UsageError(`libtorch expects install or where, not "${action}".`);
  },
});

/** A line a message, and a bar for what is counted; what pip prints is a detail. */
function progressPrinter(): (progress: InstallProgress) => void {
  const bar = progressBar();
  let said = '';
  let counted = 0;
  return ({ message, output, doneBytes, totalBytes }) => {
    if (message !== said) note(message);
    said = message;
    if (output !== undefined) detail(`pip: ${output}`);
    if (doneBytes === undefined || totalBytes === undefined) return;
    const [done, total] = [doneBytes, totalBytes].map((bytes) => Math.ceil(bytes / 1e6)) as [number, number];
    if (done !== counted) bar.update({ label: message, done, total, unit: 'MB' });
    counted = done;
  };
}
