/** Clients of the example server: one that behaves, and those that do not. Loopback only. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync } from 'node:zlib';
import { pngChunk } from '../dist/report/html/indexed-png.js';

const boundary = 'b';
const formHead = Buffer.from(
  `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n`,
);
const formTail = Buffer.from(`\r\n--${boundary}--\r\n`);
const formType = { 'content-type': `multipart/form-data; boundary=${boundary}` };
const form = (file) => Buffer.concat([formHead, file, formTail]);

/** One request: its status and body; `status` undefined where the connection ended first.. */
export function send({ port, agent, method = 'POST', path = '/segment', headers = formType, body, write }) {
  const length = body ? { 'content-length': body.length } : {};
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port,
    agent,
    method,
    path,
    headers: { ...headers, ...length },
  });
  const answer = new Promise((resolve) => {
    outgoing.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks) }));
      response.on('error', () => resolve({}));
    });
    outgoing.on('error', () => resolve({}));
    outgoing.on('close', () => resolve({}));
  });
  if (write) void write(outgoing, answer);
  else outgoing.end(body);
  return { answer, leave: () => outgoing.destroy() };
}

/** A request whose rest is sent only until the answer has come. */
const sendUntilAnswered = async (options, headers, first, next) => {
  let answered = false;
  const { answer, leave } = send({
    ...options,
    headers: { ...formType, ...headers },
    write: async (outgoing) => {
      outgoing.write(first);
      while (!answered) await next(outgoing);
    },
  });
  const result = await answer;
  answered = true;
  leave();
  return result;
};

/** What comes back over a bare connection. */
function talk(port, write) {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  const ended = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
  socket.on('data', (data) => (text += data));
  void write(socket);
  return ended.then(() => ({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]) || undefined, body: text }));
}

/** 81 million grey pixels in some ten kilobytes. */
function pixelBomb() {
  const side = 9000;
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  const rows = deflateSync(Buffer.alloc(side * (1 + side / 8)));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', rows),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A good image with a text of 64 MB beside its pixels. */
function textBomb(png) {
  const text = Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(64 * 2 ** 20))]);
  const afterHeader = 33;
  return Buffer.concat([png.subarray(0, afterHeader), pngChunk('zTXt', text), png.subarray(afterHeader)]);
}

/**
 * Bad clients by name: the statuses that they may get (`undefined`: the connection ends without an answer), and how they behave. `draw`
 * gives numbers from 0 to 1, `usual()` the milliseconds that a good request takes at the moment.
 *
 * @param {Buffer} scene a PNG that the server takes
 */
export function badClients(port, scene, { uploadSeconds, usual }) {
  const to = { port };
  const post = (body, headers) => send({ ...to, body, ...(headers && { headers }) }).answer;
  const bombs = { pixels: form(pixelBomb()), text: form(textBomb(scene)) };
  const megabyte = Buffer.alloc(2 ** 20, 7);
  const upTo = async (outgoing, limit, sent) => {
    if (sent.megabytes === limit || outgoing.writableNeedDrain) return sleep(20);
    sent.megabytes++;
    outgoing.write(megabyte);
  };
  const slowly = async (write, closed) => {
    for (let i = 0; !closed() && i < 40 * uploadSeconds; i++) {
      write();
      await sleep(100);
    }
  };
  const large = 100;
  return {
    noise: [[415], () => post(form(Buffer.alloc(5000, 7)))],
    drawing: [[415], () => post(form(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')))],
    'cut-off image': [[422], (draw) => post(form(scene.subarray(0, scene.length * (0.1 + 0.8 * draw()))))],
    'damaged image': [[422], () => post(form(Buffer.from(scene).fill(0xff, 1000, 2000)))],
    'bomb of pixels': [[422], () => post(bombs.pixels)],
    'bomb of text': [[200, 422], () => post(bombs.text)],
    'empty file': [[400], () => post(form(Buffer.alloc(0)))],
    'cut-off form': [[400], () => post(form(scene).subarray(0, scene.length / 2))],
    'no file': [
      [400],
      () => post(Buffer.from('--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n')),
    ],
    'no form': [[415], () => post(Buffer.from('{}'), { 'content-type': 'application/json' })],
    '100 MB': [
      [413],
      () => {
        const sent = { megabytes: 0 };
        const length = { 'content-length': large * megabyte.length + formHead.length };
        return sendUntilAnswered(to, length, formHead, (outgoing) => upTo(outgoing, large, sent));
      },
    ],
    '100 MB of unknown length': [
      [413],
      () => {
        const sent = { megabytes: 0 };
        return sendUntilAnswered(to, {}, formHead, (outgoing) => upTo(outgoing, large, sent));
      },
    ],
    // The answer can be lost: the connection is closed while they write.
    'trickling upload': [
      [408, undefined],
      () =>
        sendUntilAnswered(to, { 'content-length': 100_000 }, formHead, async (outgoing) => {
          outgoing.write('x');
          await sleep(100);
        }),
    ],
    'trickling headers': [
      [408, undefined],
      () =>
        talk(port, (socket) => {
          socket.write('POST /segment HTTP/1.1\r\nHost: a\r\n');
          return slowly(
            () => socket.write('X-A: b\r\n'),
            () => socket.destroyed,
          );
        }),
    ],
    'no HTTP': [[400], () => talk(port, (socket) => socket.write('\x16\x03\x01 hello\r\n\r\n'))],
    'silent connection': [
      [undefined, 408],
      (draw) =>
        talk(port, async (socket) => {
          await sleep(3000 * draw());
          socket.destroy();
        }),
    ],
    'leaves while it uploads': [
      [undefined],
      async (draw) => {
        const whole = form(scene);
        const { answer, leave } = send({
          ...to,
          headers: { ...formType, 'content-length': whole.length },
          write: async (outgoing) => {
            outgoing.write(whole.subarray(0, whole.length * 0.9 * draw()));
            await sleep(200 * draw());
            leave();
          },
        });
        return answer;
      },
    ],
    'leaves while the network works': [
      // Some are answered before they leave.
      [undefined, 200],
      async (draw) => {
        const { answer, leave } = send({ ...to, body: form(scene) });
        setTimeout(leave, usual() * draw());
        return answer;
      },
    ],
    'takes no answer': [
      [undefined],
      (draw) =>
        talk(port, async (socket) => {
          socket.pause();
          const body = form(scene);
          socket.write(
            `POST /segment?output=png HTTP/1.1\r\nHost: a\r\nContent-Type: ${formType['content-type']}\r\n` +
              `Content-Length: ${body.length}\r\n\r\n`,
          );
          socket.write(body);
          await sleep(500 + 3000 * draw());
          socket.destroy();
        }),
    ],
  };
}

/** A good upload. */
export const goodUpload = (to, scene, output) =>
  send({ ...to, path: `/segment?output=${output}`, body: form(scene) }).answer;
