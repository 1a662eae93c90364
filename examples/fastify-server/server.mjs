/**
 * A segmentation server.
 *
 *     node server.mjs [--device D] MODEL HEAD
 *
 * D is cpu, cuda:0, …, or several devices: cuda:0,cuda:2. cuda: all visible CUDA devices; auto (default): the same, or the CPU without
 * any. Each device has a copy of the network, and a request goes to the one that is free.
 *
 * Environment variables: PORT (3000), HOST (127.0.0.1), and the limits in settings.mjs.
 *
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment                  class percentages as JSON
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment?output=png       a coloured PNG
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment?output=labels    a grey PNG of class indices
 *     curl http://127.0.0.1:3000/health                                       whether it lives, and what it does
 *     curl http://127.0.0.1:3000/health/ready                                 503 while it should get no requests
 *     curl http://127.0.0.1:3000/metrics                                      for Prometheus
 *
 * SIGTERM and SIGINT stop the server: it accepts no new requests, gives running ones GRACE_SECONDS to finish, and cancels the rest. The
 * exit code is 0.
 */
import { parseArgs } from 'node:util';
import { openSegmenter } from 'dinov3-seg';
import { buildApp } from './app.mjs';
import { readSettings, settingsOfEnvironment } from './settings.mjs';

const { device, modelPath, headPath, settings, port, host } = readArguments();
const segmenter = await openSegmenter({ model: modelPath, head: headPath, device });
for (const warning of segmenter.warnings) console.error(warning);
const stop = new AbortController();
const app = await buildApp(segmenter, { stop: stop.signal, ...settings });

for (const name of ['SIGTERM', 'SIGINT'])
  process.once(name, async () => {
    const timer = setTimeout(() => {
      stop.abort();
      // Leaves time to send the errors of cancelled requests. Stalled uploads get no answer.
      setTimeout(() => app.server.closeAllConnections(), 500).unref();
    }, 1000 * settings.graceSeconds);
    await app.close();
    clearTimeout(timer);
    // Cancelled requests end at the network's next operator.
    await segmenter[Symbol.asyncDispose]();
    console.log('stopped');
  });

const address = await app.listen({ port, host });
console.log(`listening on ${address}`);

function readArguments() {
  try {
    const options = { device: { type: 'string', default: 'auto' } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (positionals.length !== 2)
      throw new Error(`Expected two files, MODEL and HEAD, got ${positionals.length}.`);
    const { PORT = '3000', HOST = '127.0.0.1' } = process.env;
    if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65535)
      throw new Error(`PORT should be a whole number from 0 to 65535, not ${JSON.stringify(PORT)}.`);
    const settings = readSettings(settingsOfEnvironment(process.env));
    const [modelPath, headPath] = positionals;
    return { device: values.device, modelPath, headPath, settings, port: Number(PORT), host: HOST };
  } catch (error) {
    console.error(error.message);
  }
  console.error('usage: node server.mjs [--device D] MODEL HEAD');
  process.exit(2);
}
