import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { installLibtorch, type InstallOptions } from '../../../lib/native/libtorch/install-libtorch.js';
import { runCommand, startCommand } from '../../helpers/command-line.js';
import { below, filesBelow, installed, setEnvironment, torchFiles } from '../../helpers/libtorch.js';
import { wheelOf } from '../../helpers/zip.js';

const wheel = wheelOf('torch', '2.13.0+cpu', below('torch', torchFiles()));
const sha256 = createHash('sha256').update(wheel).digest('hex');
const whole = installed.map((name) => `2.13.0-cpu/${name}`);

let requests = 0;

/** /torch.whl: the wheel; the others are what can go wrong. */
async function serve(t: Test): Promise<string> {
  const half = (
    response: ServerResponse,
    headers: Record<string, string | number>,
    sent?: () => void,
  ): void => {
    response.writeHead(200, headers);
    response.write(wheel.subarray(0, wheel.length / 2), sent);
  };
  const routes: Record<string, (response: ServerResponse) => void> = {
    '/torch.whl': (r) => r.writeHead(200, { 'content-length': wheel.length }).end(wheel),
    '/chunked.whl': (r) => r.writeHead(200).end(wheel),
    '/moved': (r) => r.writeHead(302, { location: '/again' }).end('moved'),
    '/again': (r) => r.writeHead(307, { location: 'torch.whl' }).end(),
    '/circle': (r) => r.writeHead(301, { location: '/circle' }).end(),
    '/html': (r) => r.writeHead(200).end('<html>Please sign in</html>'),
    '/cut': (r) => half(r, { 'content-length': wheel.length }, () => r.destroy()),
    '/cut-chunked': (r) => half(r, {}, () => r.destroy()),
    '/hangs': (r) => half(r, { 'content-length': wheel.length }),
    '/huge': (r) => half(r, { 'content-length': 2 ** 52 }),
  };
  const server: Server = createServer((request, response) => {
    requests++;
    const route = routes[request.url!.split('?')[0]!];
    if (route) route(response);
    else response.writeHead(404).end('nothing here');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function useCache(t: Test): { cache: string; held: () => string[] } {
  const home = t.testdir();
  setEnvironment(t, { XDG_CACHE_HOME: home, DINOV3_SEG_LIBTORCH: undefined, LIBTORCH: undefined });
  const cache = join(home, 'dinov3-seg/libtorch');
  return { cache, held: () => filesBelow(cache) };
}

t.test('a URL: straight, in chunks, over redirects, with its checksum', async (t) => {
  const base = await serve(t);
  const { held } = useCache(t);
  for (const path of ['/torch.whl', '/chunked.whl', '/moved', `/torch.whl#sha256=${sha256}`]) {
    const counted: number[] = [];
    const { root } = await installLibtorch({
      from: base + path,
      force: true,
      onProgress: ({ phase, doneBytes }) => phase === 'download' && counted.push(doneBytes ?? 0),
    });
    t.same(held(), whole, path);
    t.match(root, /2\.13\.0-cpu$/);
    t.equal(counted.at(-1), wheel.length, 'every byte was counted');
  }
  requests = 0;
  t.match(await installLibtorch({ from: `${base}/torch.whl#sha256=${sha256}` }), { alreadyThere: true });
  t.match(await installLibtorch({ from: `${base}/torch.whl`, sha256 }), { alreadyThere: true });
  t.equal(requests, 0, 'what is there by its checksum is not fetched again');
});

t.test('what is wrong with a download is said, and nothing is left', async (t) => {
  const base = await serve(t);
  const { cache, held } = useCache(t);
  const wrong = '0'.repeat(64);
  const cases: [path: string, code: string, message: RegExp, options?: InstallOptions][] = [
    [
      '/absent',
      'DOWNLOAD',
      /127\.0\.0\.1:\d+\/absent cannot be downloaded: the server answered 404 Not Found/,
    ],
    ['/circle', 'DOWNLOAD', /redirects more than 5 times/],
    ['/cut', 'DOWNLOAD', /the connection was interrupted/],
    ['/cut-chunked', 'DOWNLOAD', /the connection was interrupted/],
    ['/huge', 'DISK_FULL', /libtorch needs .* MiB/],
    ['/html', 'ARCHIVE', /html is not a zip archive/],
    [`/torch.whl#sha256=${wrong}`, 'CHECKSUM', /expected 0000\d+ \(the #sha256 of the URL\)/],
    ['/torch.whl#sha256=abc', 'INVALID_ARGUMENT', /64 hexadecimal digits/],
    ['/torch.whl', 'CHECKSUM', /expected 0000\d+ \(the given checksum\)/, { sha256: wrong }],
  ];
  for (const [path, code, message, options] of cases) {
    await t.rejects(installLibtorch({ from: base + path, ...options }), { code, message }, path);
    t.same(readdirSync(cache), []);
  }
  // Nobody listens at the port of a server that was closed.
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const from = `http://127.0.0.1:${(gone.address() as AddressInfo).port}/torch.whl`;
  await new Promise((resolve) => gone.close(resolve));
  await t.rejects(installLibtorch({ from }), {
    code: 'DOWNLOAD',
    message: /ECONNREFUSED.*Check the address/,
  });
  await installLibtorch({ from: `${base}/torch.whl` });
  await t.rejects(installLibtorch({ from: `${base}/cut`, force: true }), { code: 'DOWNLOAD' });
  t.same(held(), whole, 'what was there stays');
});

t.test('an abort in the middle of a download', async (t) => {
  const base = await serve(t);
  const { cache } = useCache(t);
  const controller = new AbortController();
  const onProgress = ({ doneBytes = 0 }) => doneBytes > 1 << 20 && controller.abort(new Error('enough'));
  const started = { from: `${base}/hangs`, signal: controller.signal, onProgress };
  await t.rejects(installLibtorch(started), { message: 'enough' });
  t.same(readdirSync(cache), []);
});

t.test(
  'the command: progress on stderr, folder on stdout, Ctrl-C leaves nothing, a kill is swept',
  async (t) => {
    const base = await serve(t);
    const { cache, held } = useCache(t);
    const interrupted = async (signal: NodeJS.Signals) => {
      const { child, ended } = startCommand(['libtorch', 'install', '--from', `${base}/hangs`]);
      const said = new Promise<void>((resolve) =>
        child.stderr!.on('data', (text: string) => /downloading/.test(text) && resolve()),
      );
      await said;
      child.kill(signal);
      return ended;
    };
    const stopped = await interrupted('SIGINT');
    t.equal(stopped.code, 130, stopped.stderr);
    t.same(readdirSync(cache), []);
    t.equal((await interrupted('SIGKILL')).signal, 'SIGKILL');
    t.equal(readdirSync(cache).length, 1);
    const { code, stdout, stderr } = await runCommand(['libtorch', 'install', '--from', `${base}/torch.whl`]);
    t.equal(code, 0, stderr);
    t.equal(stdout.trim(), join(cache, '2.13.0-cpu'));
    t.match(stderr, /downloading 127\.0\.0\.1.*\n(.*\n)*unpacking libtorch 2\.13\.0 \(cpu\)/);
    t.same(held(), whole);
    const again = await runCommand(['libtorch', 'install', '--from', `${base}/torch.whl`, '--json']);
    t.match(JSON.parse(again.stdout), { alreadyThere: true, version: '2.13.0', build: 'cpu' });
    t.match(again.stderr, /is already installed and intact/);
    t.equal((await runCommand(['libtorch', 'where'])).stdout.trim(), join(cache, '2.13.0-cpu'));
    t.equal((await runCommand(['libtorch', 'where', '--force'])).code, 2);
  },
);
