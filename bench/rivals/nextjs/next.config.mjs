import { fileURLToPath } from 'node:url';

export default {
    poweredByHeader: false,
    serverExternalPackages: ['drizzle-orm', 'jose', 'pg'],
    // The parts that it shares with the other server are one folder up.
    turbopack: { root: fileURLToPath(new URL('..', import.meta.url)) },
};
