/**
 * A segmentation server.
 *
 *     node server.mjs MODEL HEAD
 *
 * Environment variables and their defaults: PORT=3000 HOST=127.0.0.1 MAX_BYTES=10000000 MAX_WAITING=32 UPLOAD_SECONDS=30
 * GRACE_SECONDS=10 DEVICE=auto
 *
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment                  class percentages as JSON
 *     curl -F file=@street.jpg http://127.0.0.1:3000/segment?output=png       a coloured PNG
 *     curl http://127.0.0.1:3000/health
 *
 * SIGTERM and SIGINT stop the server: it accepts no new connections, gives requests GRACE_SECONDS to finish, and cancels the rest.
 */
import { openSegmenter } from 'dinov3-seg';
import { buildApp } from './app.mjs';

const [modelPath, headPath] = process.argv.slice(2);
if (!headPath) {
  console.error('usage: node server.mjs MODEL HEAD');
  process.exit(2);
}
const {
  PORT = '3000',
  HOST = '127.0.0.1',
  MAX_BYTES,
  MAX_WAITING,
  UPLOAD_SECONDS,
  DEVICE = 'auto',
  GRACE_SECONDS = '10',
} = process.env;

const segmenter = await openSegmenter({ model: modelPath, head: headPath, device: DEVICE });
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
    segmenter.dispose();
    console.log('stopped');
  });

const address = await app.listen({ port: Number(PORT), host: HOST });
console.log(`listening on ${address}`);
