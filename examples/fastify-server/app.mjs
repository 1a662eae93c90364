/** The upload route, ready for `listen` or for a larger application. */
import multipart from '@fastify/multipart';
import Fastify from 'fastify';
import sharp from 'sharp';
import { DinoSegError, classPercentages, colorize, encodePng } from 'dinov3-seg';

/** Status codes of errors that the upload or the load causes. All other errors are the server's own. */
const statusOf = { IMAGE: 422, SHAPE: 422, OUT_OF_MEMORY: 503 };

/**
 * @param {import('dinov3-seg').Segmenter} segmenter
 * @param {object} [options]
 * @param {number} [options.maxBytes] Max size of an upload in bytes; larger ones get 413. Default: 10 MB.
 * @param {number} [options.maxPixels] Max pixels of an image; larger ones get 422. Default: 12 million.
 * @param {number} [options.maxWaiting] Max concurrent requests for each device, from upload to answer; more get 503. Default: 32.
 * @param {number} [options.uploadSeconds] Max time in which a request must arrive; slower ones get 408. Default: 30.
 * @param {AbortSignal} [options.stop] Cancels all unfinished requests.
 */
export async function buildApp(segmenter, options = {}) {
  const { maxBytes = 10e6, maxPixels = 12e6, maxWaiting = 32, uploadSeconds = 30, stop } = options;
  const { model, classSet } = segmenter;
  const mostRequests = maxWaiting * model.devices.length;
  const counts = { running: 0, done: 0, cancelled: 0, refused: 0 };
  const active = new Set();
  stop?.addEventListener('abort', () => active.forEach((job) => job.abort()), { once: true });

  // Without a time limit, slow uploads would keep their places in the queue forever.
  const app = Fastify({ requestTimeout: 1000 * uploadSeconds, forceCloseConnections: 'idle' });
  await app.register(multipart, { limits: { fileSize: maxBytes, files: 1, parts: 2, fieldSize: 100 } });

  // Kept-alive connections would delay the shutdown until they time out.
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (request, reply) => {
    if (closing) reply.header('connection', 'close');
  });

  app.setErrorHandler((error, request, reply) => {
    const own = error instanceof DinoSegError;
    const status = own ? (statusOf[error.code] ?? 500) : (error.statusCode ?? 500);
    if (status === 500) console.error(error);
    const told = status < 500 || status === 503;
    const message = told ? error.message : 'The server failed; see its log.';
    const code = error.code ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL');
    reply.code(status).send({ error: { code, message } });
  });

  app.setNotFoundHandler(async () => {
    throw httpError(404, 'NOT_FOUND', 'Not found. The routes are POST /segment and GET /health.');
  });

  app.get('/health', () => ({ status: 'ok', ...counts, devices: model.devices, classSet: classSet.name }));

  const routeOptions = {
    // Checked before the upload is read: this limits the number of waiting requests, and so their memory.
    onRequest: async (request, reply) => {
      if (counts.running < mostRequests) return;
      counts.refused++;
      reply.header('retry-after', '1');
      throw httpError(
        503,
        'BUSY',
        `The server is busy with ${mostRequests} requests; try again in a second.`,
      );
    },
    schema: {
      querystring: {
        type: 'object',
        properties: { output: { type: 'string', enum: ['json', 'png'], default: 'json' } },
      },
    },
  };

  app.post('/segment', routeOptions, async (request, reply) => {
    counts.running++;
    const job = new AbortController();
    const { signal } = job;
    active.add(job);
    // If it closes before the answer is sent, the client has disconnected.
    reply.raw.once('close', () => job.abort());
    try {
      // sharp decodes later, shortly before the network needs the pixels. The limit matters: a small file can have very many.
      const image = sharp(await readUpload(request), { failOn: 'error', limitInputPixels: maxPixels });
      const map = await segmenter.segment(image, { signal });
      const answer = request.query.output === 'png' ? await paint(map) : describe(map);
      counts.done++;
      return Buffer.isBuffer(answer) ? reply.type('image/png').send(answer) : answer;
    } catch (error) {
      if (!signal.aborted) throw error;
      counts.cancelled++;
      if (stop?.aborted) throw httpError(503, 'STOPPING', 'The server is shutting down.');
      return reply.hijack(); // the client is gone
    } finally {
      active.delete(job);
      counts.running--;
    }
  });

  function describe({ data, width, height }) {
    const shares = classPercentages(data, classSet).filter(({ pixels }) => pixels > 0);
    return { width, height, classes: shares.map(({ name, color, percent }) => ({ name, color, percent })) };
  }

  function paint({ data, width, height }) {
    return encodePng(colorize(data, classSet), width, height, 3);
  }

  return app;
}

/** The bytes of the one file of a multipart request. */
async function readUpload(request) {
  let bytes;
  try {
    bytes = await (await request.file())?.toBuffer();
  } catch (error) {
    if (error.statusCode) throw error;
    throw httpError(400, 'BAD_UPLOAD', `The upload cannot be read: ${error.message}.`);
  }
  if (!bytes?.length)
    throw httpError(
      400,
      'NO_FILE',
      'Expected a file in a multipart/form-data request, but it has none, or the file is empty.',
    );
  return bytes;
}

function httpError(statusCode, code, message) {
  return Object.assign(new Error(message), { statusCode, code });
}
