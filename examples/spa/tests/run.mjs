// Plays the store and the documentation in a browser, against a development store that is running already:
//
//     node tests/run.mjs http://127.0.0.1:8080 [folder for screenshots]
//
// It builds the app for that store and serves it from another origin.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { preview } from "vite";
import { inBrowser, listen } from "./browser.mjs";
import { documentation } from "./docs.mjs";

const [api = "http://127.0.0.1:8080", screenshots = "screenshots"] = process.argv.slice(2);
const shots = resolve(screenshots);
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
await mkdir(shots, { recursive: true });

const env = { ...process.env, VITE_API_URL: api };
execFileSync("npm", ["run", "--silent", "build"], { env, stdio: ["ignore", "ignore", "inherit"] });
// They use what was just built.
const { native } = await import("./native.mjs");
const { store } = await import("./store.mjs");
const server = await preview({ root, preview: { port: 0 } });
const app = server.resolvedUrls.local[0].replace(/\/$/, "");

const step = (text) => console.log(`  ${text}`);
const shoot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`) });
const complaints = [];
try {
  await native({ api, step });
  await inBrowser(async (context, foreign) => {
    const page = await context.newPage();
    listen(page, complaints);
    await store({ api, app, page, context, shoot, step, complaints });
    foreign.length = 0;
    const pages = [await context.newPage(), await context.newPage()];
    for (const docs of pages) listen(docs, complaints);
    await documentation({ api, pages, shoot, step });
    assert.deepEqual(foreign, [], "the documentation asks nobody else");
  });
  assert.deepEqual(complaints, [], "no page complains");
} finally {
  await server.close();
}
console.log(`Done. The screenshots are in ${shots}.`);
process.exit(0);
