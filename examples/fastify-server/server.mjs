/**
 * A segmentation server.
 *
 *     node server.mjs [--device D] MODEL HEAD
 *
 * D is cpu, cuda:0, …, or several devices: cuda:0,cuda:2. cuda: all visible CUDA devices; auto (default): the same, or the CPU without
 * any. Each device has a copy of the network, and a request goes to the one that is free.
 *
 * Environment variables and their defaults: PORT=3000 HOST=127.0.0.1 MAX_BYTES=10000000 MAX_WAITING=32 (for each device)
 * UPLOAD_SECONDS=30 GRACE_SECONDS=10
 *
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment                  class percentages as JSON
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment?output=png       a coloured PNG
 *     curl http://127.0.0.1:3000/health
 *
 * SIGTERM and SIGINT stop the server: it accepts no new requests, gives running ones GRACE_SECONDS to finish, and cancels the rest. The
 * exit code is 0.
 */
import { parseArgs } from 'node:util';
import { openSegmenter } from 'dinov3-seg';
import { buildApp } from './app.mjs';

const { device, modelPath, headPath } = readArguments();
const {
  PORT = '3000',
  HOST = '127.0.0.1',
  MAX_BYTES,
  MAX_WAITING,
  UPLOAD_SECONDS,
  GRACE_SECONDS = '10',
} = process.env;

const segmenter = await openSegmenter({ model: modelPath, head: headPath, device });
for (const warning of segmenter.warnings) console.error(warning);
const stop = new AbortController();
const app = await buildApp(segmenter, {
  stop: stop.signal,
  ...(MAX_BYTES && { maxBytes: Number(MAX_BYTES) }),
  ...(MAX_WAITING && { maxWaiting: Number(MAX_WAITING) }),
  ...(UPLOAD_SECONDS && { uploadSeconds: Number(UPLOAD_SECONDS) }),
});

for (const name of ['SIGTERM', 'SIGINT'])
  process.once(name, async () => {
    const timer = setTimeout(
      () => {
        stop.abort();
        // Leaves time to send the errors of cancelled requests. Stalled uploads get no answer.
        setTimeout(() => app.server.closeAllConnections(), 500).unref();
      },
      1000 * Number(GRACE_SECONDS),
    );
    await app.close();
    clearTimeout(timer);
    // Cancelled requests end at the network's next operator.
    await segmenter[Symbol.asyncDispose]();
    console.log('stopped');
  });

const address = await app.listen({ port: Number(PORT), host: HOST });
console.log(`listening on ${address}`);

function readArguments() {
  try {
    const options = { device: { type: 'string', default: 'auto' } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (positionals.length === 2)
      return { device: values.device, modelPath: positionals[0], headPath: positionals[1] };
    console.error(`Expected two files, MODEL and HEAD, got ${positionals.length}.`);
  } catch (error) {
    console.error(error.message);
  }
  console.error('usage: node server.mjs [--device D] MODEL HEAD');
  process.exit(2);
}
