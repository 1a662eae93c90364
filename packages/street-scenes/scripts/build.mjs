// Builds street_scenes.node for the libtorch that the package finds, where it is not up to date. After `npm run setup`.
import { join } from 'node:path';
import { buildAddon, findLibtorchOrNone, isCurrent, root, say } from '../../../scripts/native-build.mjs';
import { Log, runLogged } from '../../../scripts/setup/commands.mjs';

const log = new Log(join(root, '.tmp/street-scenes.log'));
const libtorch = await findLibtorchOrNone();
const binary = join(root, `native/street-scenes/torch-${libtorch.series}/build/Release/street_scenes.node`);
if (!isCurrent(binary, 'packages/street-scenes/cpp')) {
  say('compiling street_scenes.node');
  try {
    await buildAddon(libtorch, {
      target: 'street_scenes',
      binaries: [binary],
      runIn: (command, args, options) => runLogged(command, args, { cwd: root, log, ...options }),
      onProgress: () => {},
    });
  } catch (error) {
    for (const line of error.lines ?? []) say(line);
    say(`${error.message}; the full output is in ${log.path}`);
    process.exit(1);
  }
}
