/**
 * What to do about an error of loading. The system's loader tells its reasons in words only, so here, and
 * only here, messages are read.
 */

/** Common libraries by Debian's and Ubuntu's package. */
const packages: [pattern: RegExp, name: string][] = [
  [/^libgomp\.so/, 'libgomp1'],
  [/^libstdc\+\+\.so/, 'libstdc++6'],
  [/^libgcc_s\.so/, 'libgcc-s1'],
  [/^libnuma\.so/, 'libnuma1'],
];
const driverLibrary = /^lib(cuda|nvidia-ml)\.so/;
const cudaLibrary = /^lib(cu|nv|nccl)/;
const again = 'Reinstall libtorch: `npx dinov3-seg libtorch install --force`.';

/** @param glibc the machine's version */
export function adviceFor(message: string, glibc: string | undefined): string | undefined {
  const missing = /([\w.+-]+\.so[\w.]*): cannot open shared object file/.exec(message)?.[1];
  if (missing !== undefined) return missingLibrary(missing);
  const need = /version [`']?(GLIBC|GLIBCXX|CXXABI)_([\d.]+)'? not found/.exec(message);
  if (need?.[1] === 'GLIBC')
    return (
      `It needs glibc ${need[2]} or newer; this machine has ${glibc ?? 'another C library'}. Use a newer ` +
      'distribution, or build the addon on this machine: `npm run build:native` in a clone of the repository.'
    );
  if (need)
    return `It needs a libstdc++ with ${need[1]}_${need[2]}: install a newer libstdc++6, or build the addon on this machine.`;
  if (/invalid ELF header|file too short|wrong ELF class|ELF file/.test(message))
    return `A library is damaged or built for another processor architecture. ${again}`;
  if (/undefined symbol/.test(message))
    return 'The addon and this libtorch are incompatible: install the libtorch that the addon was built for, or rebuild the addon.';
  if (/cannot allocate memory|failed to map segment/i.test(message))
    return 'Memory ran out, or the folder is mounted noexec. Free some memory, or set XDG_CACHE_HOME to another folder.';
  return undefined;
}

function missingLibrary(name: string): string {
  const debian = packages.find(([pattern]) => pattern.test(name))?.[1];
  if (debian) return `${name} is missing. On Debian or Ubuntu: apt-get install ${debian}.`;
  if (driverLibrary.test(name))
    return `${name} is missing. It is part of NVIDIA's driver: install the driver.`;
  if (cudaLibrary.test(name))
    return (
      `${name} (CUDA) is missing. \`npx dinov3-seg libtorch install\` installs NVIDIA's libraries beside libtorch. Or set ` +
      'DINOV3_SEG_LIBTORCH to the torch folder of a Python environment that has them.'
    );
  return `${name} is missing. ${again}`;
}

/** What to do if a signal ended the test process. */
export function adviceForSignal(signal: string): string {
  if (signal === 'SIGILL') return 'The processor lacks instructions that this libtorch needs (such as AVX2).';
  if (signal === 'SIGKILL')
    return 'Memory may have run out: check the system log (dmesg), and free some memory.';
  return `${again} If it crashes again, please report it with the output of doctor --json.`;
}
