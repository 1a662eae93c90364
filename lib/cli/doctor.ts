import { doctor } from '../native/doctor/doctor.js';
import { command } from './command.js';
import { print, printJson } from './output.js';
import { jsonFlag } from './shared-flags.js';
import { doctorText } from './text.js';

export default command({
  name: 'doctor',
  summary:
    'Checks the installation (libtorch, addon, devices, memory, versions) and explains how to fix problems.',
  flags: jsonFlag,
  async run({ flags }) {
    const report = await doctor();
    if (flags.json) printJson(report);
    else print(doctorText(report));
    return report.ok ? 0 : 1;
  },
});
