// What every route ends with.
import { sender } from '../store.mjs';

/** What a statement says. Postgres has written the body; there is nothing to serialise. */
export function answer({ status, body }) {
    return new Response(body, { status, headers: body ? { 'Content-Type': 'application/json' } : {} });
}

/** The same for whoever sent the request; 401 for a bad token, and for nobody unless anybody may ask. */
export async function answerSender(request, query, context, { anybody = false } = {}) {
    let person;
    try {
        person = await sender(request.headers.get('authorization'));
    } catch {
        return new Response(null, { status: 401 });
    }
    if (person === null && !anybody) return new Response(null, { status: 401 });
    return answer(await query({ person, ...(await context.params) }));
}
