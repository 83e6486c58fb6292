// Next.js with Drizzle: as many workers as the others have.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import next from 'next';
import { inTwoWorkers } from '../store.mjs';

await inTwoWorkers(async (hostname, port) => {
    const app = next({ dir: fileURLToPath(new URL('.', import.meta.url)), hostname, port });
    await app.prepare();
    createServer(app.getRequestHandler()).listen(port, hostname);
});
