import { doctor } from '../native/doctor/doctor.js';
import { command } from './command.js';
import { print, printJson } from './output.js';
import { jsonFlag } from './shared-flags.js';
import { doctorText } from './text.js';

export default command({
  name: 'doctor',
  summary:
    'Says what was found (libtorch, addon, devices, memory, versions), what is wrong and how to mend it.',
  flags: jsonFlag,
  async run({ flags }) {
    const report = await doctor();
    if (flags.json) printJson(report);
    else print(doctorText(report));
    return report.ok ? 0 : 1;
  },
});
