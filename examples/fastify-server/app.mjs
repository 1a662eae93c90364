/** The upload route, ready for `listen` or for a larger application. */
import multipart from '@fastify/multipart';
import Fastify from 'fastify';
import sharp from 'sharp';
import { DinoSegError, classPercentages, colorize, encodePng } from 'dinov3-seg';

/** Errors that say something about the upload; every other one is the server's own. */
const statusOf = { IMAGE: 422, SHAPE: 422, OUT_OF_MEMORY: 503 };

/**
 * @param {import('dinov3-seg').Segmenter} segmenter
 * @param {object} [options]
 * @param {number} [options.maxBytes] of an upload; larger ones get 413. Default 10 MB.
 * @param {number} [options.maxPixels] of its image; larger ones get 422. Default 12 million.
 * @param {number} [options.maxWaiting] requests at a time, from upload to answer; further ones get 503. Default 32.
 * @param {number} [options.uploadSeconds] that a request may take to arrive; slower ones get 408. Default 30.
 * @param {AbortSignal} [options.stop] abandons everything that is not done.
 */
export async function buildApp(segmenter, options = {}) {
  const { maxBytes = 10e6, maxPixels = 12e6, maxWaiting = 32, uploadSeconds = 30, stop } = options;
  const { model, classSet } = segmenter;
  const counts = { running: 0, done: 0, cancelled: 0, refused: 0 };
  const active = new Set();
  stop?.addEventListener('abort', () => active.forEach((job) => job.abort()), { once: true });

  // Uploads that trickle in would hold their places for ever.
  const app = Fastify({ requestTimeout: 1000 * uploadSeconds, forceCloseConnections: 'idle' });
  await app.register(multipart, { limits: { fileSize: maxBytes, files: 1, parts: 2, fieldSize: 100 } });

  // A client that keeps its connection would hold up the end until the connection's own time limit.
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
    const message = told ? error.message : 'The server failed; its log says why.';
    const code = error.code ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL');
    reply.code(status).send({ error: { code, message } });
  });

  app.setNotFoundHandler(async () => {
    throw httpError(404, 'NOT_FOUND', 'There are POST /segment and GET /health.');
  });

  app.get('/health', () => ({ status: 'ok', ...counts, device: model.device, classSet: classSet.name }));

  const routeOptions = {
    // Before the upload is read: what waits is bounded in number, and so in memory.
    onRequest: async (request, reply) => {
      if (counts.running < maxWaiting) return;
      counts.refused++;
      reply.header('retry-after', '1');
      throw httpError(503, 'BUSY', `${maxWaiting} requests are being worked on; try again in a second.`);
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
    // Without an answer, it closes because the client went away.
    reply.raw.once('close', () => job.abort());
    try {
      // Decoded when its turn is near; a small file may hold very many pixels.
      const image = sharp(await readUpload(request), { failOn: 'error', limitInputPixels: maxPixels });
      const map = await segmenter.segment(image, { signal });
      const answer = request.query.output === 'png' ? await paint(map) : describe(map);
      counts.done++;
      return Buffer.isBuffer(answer) ? reply.type('image/png').send(answer) : answer;
    } catch (error) {
      if (!signal.aborted) throw error;
      counts.cancelled++;
      if (stop?.aborted) throw httpError(503, 'STOPPING', 'The server is being stopped.');
      return reply.hijack(); // nobody is there to answer
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
      'Expected a file in a multipart/form-data request; none came, or an empty one.',
    );
  return bytes;
}

function httpError(statusCode, code, message) {
  return Object.assign(new Error(message), { statusCode, code });
}
