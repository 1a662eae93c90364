/**
 * Ends by SIGBUS although the engine handles that signal: `node other-bus-errors.mjs sent CHECKPOINT`, or `fault CHECKPOINT PICTURE.webp`
 * on a disk that cuts the picture once it is mapped.
 */
import { sharp } from '../../../dist/codec.js';
import { engine } from '../../../dist/native/engine.js';

const [how, checkpoint, picture] = process.argv.slice(2);
await engine().inspect(checkpoint);
if (how === 'sent') process.kill(process.pid, 'SIGBUS');
// The codec maps a file that is given by its path; the package never does that.
else await sharp(picture).metadata();
// By then a signal has come.
await new Promise((resolve) => setTimeout(resolve, 1000));
