/** The routes, ready for `listen` or for a larger application. */
import multipart from '@fastify/multipart';
import Fastify from 'fastify';
import { DinoSegError, classPercentages, colorize, encodePng } from 'dinov3-seg';
import { httpError } from './http-error.mjs';
import { openMetrics } from './metrics.mjs';
import { Places } from './places.mjs';
import { readSettings } from './settings.mjs';
import { UploadMemory, checkHeaders, openImage, readUpload } from './upload.mjs';

/** Status codes of the package's errors that the upload or the load causes. All others are the server's own. */
const statusOf = { IMAGE: 422, SHAPE: 422, OUT_OF_MEMORY: 503 };

/**
 * @param {import('dinov3-seg').Segmenter} segmenter
 * @param {object} [options] settings of settings.mjs, and `stop`, an AbortSignal that cancels all unfinished requests.
 */
export async function buildApp(segmenter, { stop, ...given } = {}) {
  const settings = readSettings(given);
  const { model, classSet } = segmenter;
  const devices = model.devices.length;
  const places = new Places(settings.maxRunning * devices, settings.maxWaiting * devices);
  const memory = new UploadMemory(settings.maxUploadBytes);
  const counts = { done: 0, cancelled: 0, refused: 0 };
  let uploading = 0;
  const now = () => ({
    uploading,
    uploadBytes: memory.bytes,
    running: places.running,
    waiting: places.waiting,
  });
  const metrics = openMetrics(now);
  const jobs = new Set();
  stop?.addEventListener('abort', () => jobs.forEach((job) => job.abort()), { once: true });

  const app = Fastify({
    requestTimeout: 1000 * settings.uploadSeconds,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Node.js looks for requests that are too slow only so often: every 30 seconds by default.
    http: {
      requestTimeout: 1000 * settings.uploadSeconds,
      connectionsCheckingInterval: Math.min(1000, 500 * settings.uploadSeconds),
    },
    clientErrorHandler: answerBrokenRequest,
  });
  app.server.maxConnections = settings.maxConnections;
  app.server.on('drop', () => metrics.rejected.inc({ reason: 'CONNECTIONS' }));
  await app.register(multipart, {
    limits: { fileSize: settings.maxBytes, files: 1, parts: 2, fieldSize: 100, headerPairs: 20 },
  });

  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (request, reply) => {
    // Kept-alive connections would delay the shutdown until they time out.
    if (closing) reply.header('connection', 'close');
    reply.raw.setTimeout(1000 * settings.sendSeconds);
  });

  /** Too slow, or no HTTP: there is no request that a route could answer. */
  function answerBrokenRequest(error, socket) {
    const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (isLate) late.add(socket);
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const code = isLate ? 'TOO_SLOW' : 'BAD_REQUEST';
    const message = isLate
      ? `A request must arrive within ${settings.uploadSeconds} seconds.`
      : 'The request is not valid HTTP.';
    metrics.rejected.inc({ reason: code });
    const body = JSON.stringify({ error: { code, message } });
    socket.end(
      `HTTP/1.1 ${isLate ? '408 Request Timeout' : '400 Bad Request'}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      // What still comes is not read.
      () => socket.destroy(),
    );
  }
  const late = new WeakSet();

  app.setErrorHandler((error, request, reply) => {
    const own = error instanceof DinoSegError;
    const status = own ? (statusOf[error.code] ?? 500) : (error.statusCode ?? 500);
    const told = status < 500 || status === 503;
    const code = error.code ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL');
    if (request.routeOptions.url === '/segment') metrics.rejected.inc({ reason: code });
    if (!told)
      console.error(JSON.stringify({ level: 'error', requestId: request.id, code, stack: error.stack }));
    if (status === 503) {
      counts.refused++;
      reply.header('retry-after', '1');
    }
    const message = told ? error.message : 'The server failed; see its log.';
    reply.code(status).send({ error: { code, message, requestId: request.id } });
  });

  app.setNotFoundHandler(async () => {
    throw httpError(
      404,
      'NOT_FOUND',
      'Not found. The routes are POST /segment, GET /health, /health/ready and /metrics.',
    );
  });

  // Answers as long as the event loop turns: a process that does not should be started again.
  app.get('/health', () => ({
    status: closing ? 'stopping' : 'ok',
    ...now(),
    ...counts,
    devices: model.devices,
    classSet: classSet.name,
  }));

  // Whether to send requests here. The network is loaded before the server listens.
  app.get('/health/ready', async () => {
    requireOpen();
    if (places.isFull) throw busy();
    return { status: 'ready' };
  });

  app.get('/metrics', async (request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  app.post(
    '/segment',
    {
      onRequest: async (request) => {
        requireOpen();
        checkHeaders(request, settings);
        if (places.isFull) throw busy();
      },
      onResponse: async (request, reply) => metrics.answers.inc({ status: reply.statusCode }),
      schema: {
        querystring: {
          type: 'object',
          properties: { output: { type: 'string', enum: ['json', 'png', 'labels'], default: 'json' } },
        },
      },
    },
    segment,
  );

  async function segment(request, reply) {
    const job = new AbortController();
    const { signal } = job;
    jobs.add(job);
    // If it closes before the answer is sent, the client has disconnected.
    reply.raw.once('close', () => job.abort());
    let bytes;
    try {
      bytes = await receive(request);
      const image = openImage(bytes, settings);
      // The place is taken after the upload was read: a slow client keeps nobody from it.
      if (places.isFull) throw busy();
      const received = performance.now();
      const seconds = () => (performance.now() - received) / 1000;
      const answer = await places.run(signal, async () => {
        metrics.queueSeconds.observe(seconds());
        return render[request.query.output](await segmenter.segment(image, { signal }));
      });
      metrics.seconds.observe(seconds());
      counts.done++;
      return Buffer.isBuffer(answer) ? reply.type('image/png').send(answer) : answer;
    } catch (error) {
      if (!signal.aborted) throw error;
      if (stop?.aborted && !reply.raw.closed)
        throw httpError(503, 'STOPPING', 'The server is shutting down.');
      if (!late.has(request.raw.socket)) {
        counts.cancelled++;
        metrics.rejected.inc({ reason: 'CLIENT_LEFT' });
      }
      return reply.hijack(); // the client is gone
    } finally {
      memory.give(bytes?.length ?? 0);
      jobs.delete(job);
    }
  }

  async function receive(request) {
    uploading++;
    try {
      return await readUpload(request, settings, memory);
    } finally {
      uploading--;
    }
  }

  /** The outputs by name. */
  const render = {
    json({ data, width, height }) {
      const shares = classPercentages(data, classSet).filter(({ pixels }) => pixels > 0);
      return { width, height, classes: shares.map(({ name, color, percent }) => ({ name, color, percent })) };
    },
    png: ({ data, width, height }) => encodePng(colorize(data, classSet), width, height, 3),
    labels: ({ data, width, height }) => encodePng(data, width, height, 1),
  };

  function requireOpen() {
    if (closing) throw httpError(503, 'STOPPING', 'The server is shutting down.');
  }

  function busy() {
    const many = places.running + places.waiting;
    return httpError(503, 'BUSY', `The server is busy with ${many} images; try again in a second.`);
  }

  return app;
}
