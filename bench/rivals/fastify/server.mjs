// Fastify with Drizzle.
import Fastify from 'fastify';
import { inTwoWorkers, prepared, sender } from '../store.mjs';

const catalogue = prepared('catalogue');
const product = prepared('product');
const myCourses = prepared('my_courses');
const lesson = prepared('lesson');
const complete = prepared('complete');
const uncomplete = prepared('uncomplete');
const player = prepared('player');

const app = Fastify();

app.decorateRequest('person', null);

async function maybeSomebody(request, reply) {
    try {
        request.person = await sender(request.headers.authorization);
    } catch {
        return reply.code(401).send();
    }
}

async function somebody(request, reply) {
    await maybeSomebody(request, reply);
    if (request.person === null && !reply.sent) return reply.code(401).send();
}

// Postgres has written the body; there is nothing to serialise.
function answer(reply, { status, body }) {
    if (status !== 200) return reply.code(status).send();
    return reply.type('application/json; charset=utf-8').send(body);
}

app.get('/readyz', (_, reply) => reply.send());
app.get('/v1/products', async (_, reply) => answer(reply, await catalogue()));
app.get('/v1/products/:id', async ({ params }, reply) => answer(reply, await product(params)));
app.get('/v1/me/courses', { onRequest: somebody }, async ({ person }, reply) => answer(reply, await myCourses({ person })));
app.get('/v1/courses/:course', { onRequest: somebody }, async ({ person, params }, reply) =>
    answer(reply, await player({ person, ...params })),
);
app.get('/v1/courses/:course/lessons/:lesson', { onRequest: maybeSomebody }, async ({ person, params }, reply) =>
    answer(reply, await lesson({ person, ...params })),
);
app.put('/v1/me/lessons/:lesson/completion', { onRequest: somebody }, async ({ person, params }, reply) =>
    answer(reply, await complete({ person, ...params })),
);
app.delete('/v1/me/lessons/:lesson/completion', { onRequest: somebody }, async ({ person, params }, reply) =>
    answer(reply, await uncomplete({ person, ...params })),
);

await inTwoWorkers((host, port) => app.listen({ host, port }));
