// What both servers on Node.js have: two workers, the statements, and who asks.
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import pg from 'pg';

const { BIND_ADDR, CLERK_AUTHORIZED_PARTIES, CLERK_ISSUER, DATABASE_URL, STATEMENTS } = process.env;
const CONNECTIONS_OF_A_WORKER = 4;
const REMEMBERED_TOKENS = 10_000;
const REMEMBERED_MS = 60_000;

const client = new pg.Pool({
    connectionString: DATABASE_URL,
    max: CONNECTIONS_OF_A_WORKER,
    idleTimeoutMillis: 0,
    // As Lectern's connections have it.
    options: '-c jit=off -c random_page_cost=1.1',
});
const db = drizzle({ client });

/** A statement, prepared once in each connection and kept there. What comes of it is a status, and a body as text. */
export function prepared(name) {
    const parts = readFileSync(`${STATEMENTS}/${name}.sql`, 'utf8').split(/(?<![:\w]):(\w+)/);
    const statement = sql.join(parts.map((part, place) => (place % 2 ? sql.placeholder(part) : sql.raw(part))));
    const query = db.session.prepareQuery(db.dialect.sqlToQuery(statement), undefined, name, false);
    return async (values) => (await query.execute(values)).rows[0] ?? { status: 404, body: null };
}

const keys = createRemoteJWKSet(new URL(`${CLERK_ISSUER}/.well-known/jwks.json`));
const parties = CLERK_AUTHORIZED_PARTIES.split(',');
const expectations = { algorithms: ['RS256'], issuer: CLERK_ISSUER, clockTolerance: 5, requiredClaims: ['exp', 'nbf', 'sub'] };
const remembered = new Map();

/** The Clerk id of whoever sent this `Authorization` header; null for nobody. Throws for a bad token. */
export async function sender(authorization) {
    if (!authorization) return null;
    const known = remembered.get(authorization);
    if (known && Date.now() < known.until) return known.person;
    const [, token] = authorization.match(/^Bearer (.+)$/i) ?? [];
    const { payload } = await jwtVerify(token, keys, expectations);
    if (payload.azp && !parties.includes(payload.azp)) throw new Error('foreign authorised party');
    if (remembered.size >= REMEMBERED_TOKENS) remembered.clear();
    remembered.set(authorization, { person: payload.sub, until: Math.min(payload.exp * 1000, Date.now() + REMEMBERED_MS) });
    return payload.sub;
}

/** Runs this in two processes, with the host and the port to listen on. */
export async function inTwoWorkers(serve) {
    if (cluster.isPrimary) {
        cluster.fork();
        cluster.fork();
    } else {
        const { hostname, port } = new URL(`http://${BIND_ADDR}`);
        await serve(hostname, Number(port));
    }
}
