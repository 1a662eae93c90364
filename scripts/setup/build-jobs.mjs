// The number of parallel compilers.

/** Memory of one g++ for a group of files with libtorch's precompiled headers, and of the linker. */
const bytesOfJob = 1.5 * 1024 ** 3;

/** One per processor, if there is memory for them. At least one. */
export function buildJobs(cores, freeBytes) {
  return Math.max(1, Math.min(cores, Math.floor(freeBytes / bytesOfJob)));
}

/** The compilers' environment: CMAKE_BUILD_PARALLEL_LEVEL as set by the user, or by processors and free memory. */
export function buildEnvironment(env, cores, freeBytes) {
  return env.CMAKE_BUILD_PARALLEL_LEVEL
    ? env
    : { ...env, CMAKE_BUILD_PARALLEL_LEVEL: String(buildJobs(cores, freeBytes)) };
}

/** Progress from a line of ninja (`[3/14] …`) or make (`[ 21%] …`); undefined for other lines. */
export function buildProgress(line) {
  const [, done, total] = /^\[(\d+)\/(\d+)\] /.exec(line) ?? [];
  if (done !== undefined) return `${done} of ${total}`;
  return /^\[ *(\d+)%\] /.exec(line)?.[1]?.concat(' %');
}
