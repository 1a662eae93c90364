// How many compilers run at a time.

/** What g++ takes for a group of files beside libtorch's precompiled headers, and for the link. */
const bytesOfJob = 1.5 * 1024 ** 3;

/** As many as there are processors, if there is memory for them. At least one. */
export function buildJobs(cores, freeBytes) {
  return Math.max(1, Math.min(cores, Math.floor(freeBytes / bytesOfJob)));
}

/** What the compilers get: CMAKE_BUILD_PARALLEL_LEVEL, as the user set it or by processors and free memory. */
export function buildEnvironment(env, cores, freeBytes) {
  return env.CMAKE_BUILD_PARALLEL_LEVEL
    ? env
    : { ...env, CMAKE_BUILD_PARALLEL_LEVEL: String(buildJobs(cores, freeBytes)) };
}

/** How far ninja (`[3/14] …`) or make (`[ 21%] …`) is, by a line of its output; undefined for any other. */
export function buildProgress(line) {
  const [, done, total] = /^\[(\d+)\/(\d+)\] /.exec(line) ?? [];
  if (done !== undefined) return `${done} of ${total}`;
  return /^\[ *(\d+)%\] /.exec(line)?.[1]?.concat(' %');
}
