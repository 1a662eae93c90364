/** The system's Chromium, for what only a browser can tell. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { launch, type Browser, type Page } from 'puppeteer-core';

function onPath(name: string): string | undefined {
  try {
    return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** CHROME_PATH, or what is found on PATH. */
function findChromium(): string | undefined {
  const given = process.env['CHROME_PATH'];
  if (given !== undefined) return existsSync(given) ? given : undefined;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const path = onPath(name);
    if (path) return path;
  }
  return undefined;
}

const path = findChromium();

/** The `skip` option for tests that need a browser: false where there is one, else the reason. */
export const skipWithoutChromium: false | string =
  path === undefined && 'needs Chromium: install it (apt-get install chromium), or name it by CHROME_PATH';

export async function launchChromium(): Promise<Browser> {
  // The pages are our own, and root, as in containers, has no sandbox.
  return launch({
    executablePath: path!,
    timeout: 0,
    protocolTimeout: 0,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

/** A page, and all that went wrong in it or left it. */
export interface WatchedPage {
  page: Page;
  /** Messages of the console and uncaught errors. */
  messages: string[];
  /** Addresses that it asked for, besides its own file and what is in it. */
  requests: string[];
}

/** Opens a file in a page of a size and colour scheme. */
export async function openFile(
  browser: Browser,
  file: string,
  {
    width = 1400,
    height = 900,
    scheme = 'light',
    script = true,
  }: { width?: number; height?: number; scheme?: string; script?: boolean } = {},
): Promise<WatchedPage> {
  const page = await browser.newPage();
  const messages: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => messages.push(message.text()));
  page.on('pageerror', (error) => messages.push(String(error)));
  page.on('request', (request) => {
    if (request.url() !== `file://${file}` && !request.url().startsWith('data:'))
      requests.push(request.url());
  });
  // A busy machine takes its time.
  page.setDefaultTimeout(0);
  page.setDefaultNavigationTimeout(0);
  await page.setJavaScriptEnabled(script);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.setViewport({ width, height });
  await page.goto(`file://${file}`);
  return { page, messages, requests };
}

/** Waits until scripts that follow sizes and scrolling have done so: they do it when a frame is drawn. */
export async function untilDrawn(page: Page): Promise<void> {
  await page.evaluate(
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))',
  );
}
