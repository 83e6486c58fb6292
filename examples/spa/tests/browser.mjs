// Debian's Chromium, driven by Playwright, with a folder of its own and nobody to talk to but this machine.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Runs `play` in a fresh browser. */
export async function inBrowser(play) {
  const folder = await mkdtemp(join(tmpdir(), "lectern-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGUMENTS,
    viewport: { width: 1200, height: 850 },
    colorScheme: "light",
  });
  context.setDefaultTimeout(20_000);
  const foreign = [];
  await context.route(
    (url) => !["127.0.0.1", "localhost"].includes(url.hostname) && url.protocol.startsWith("http"),
    (route) => {
      foreign.push(route.request().url());
      return route.abort();
    },
  );
  try {
    await play(context, foreign);
  } finally {
    await context.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Fails on what a page complains about, but for pictures of the demo store that are elsewhere. */
export function listen(page, complaints) {
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    const expected = /Failed to load resource/.test(message.text());
    if (message.type() === "error" && !expected) complaints.push(`${page.url()}: ${message.text()}`);
  });
}
