import { existsSync } from 'node:fs';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Lifetime } from './lifetime.ts';

/** Of the Debian package `chromium`. */
const executablePath = '/usr/bin/chromium';

const args = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** On a busy machine. */
const startTimeoutMs = 60_000;

/** For the option `skip` of a test: false, or why a browser cannot be started here. */
export const withoutChromium: string | false = existsSync(executablePath)
  ? false
  : `${executablePath} is missing: apt-get install chromium`;

export interface OpenPage {
  readonly page: Page;
  /** What went wrong in it, or was forbidden by its policy. */
  readonly errors: string[];
}

/** Starts a browser that ends with the test; each page of it is a visitor of its own. */
export async function openBrowser(
  t: Lifetime,
): Promise<{ openPage(options?: BrowserContextOptions): Promise<OpenPage> }> {
  const browser = await chromium.launch({ executablePath, args, timeout: startTimeoutMs });
  t.after(async () => await browser.close());
  return {
    async openPage(options = {}) {
      const page = await browser.newPage(options);
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      // What the policy of the page forbids is told on the console alone.
      page.on('console', (message) => {
        if (/Content Security Policy|Refused to/i.test(message.text())) errors.push(message.text());
      });
      return { page, errors };
    },
  };
}
