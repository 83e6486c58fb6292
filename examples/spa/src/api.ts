// The client: types from openapi/openapi.json, a token for each request, and errors as one class.

import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.gen";

export type Schemas = components["schemas"];
export type GetToken = () => Promise<string | null>;

/** An error that the API answered with (RFC 9457). Switch on `code`; show `detail`. */
export class ApiError extends Error {
  readonly code: Schemas["ProblemCode"];

  constructor(readonly problem: Schemas["Problem"]) {
    super(problem.detail);
    this.code = problem.code;
  }
}

/** A client for a store. `getToken` is Clerk's, in a browser as in React Native; `newKey` makes a key that no other request has. */
export function createApi(baseUrl: string, getToken: GetToken, newKey = () => crypto.randomUUID() as string) {
  const middleware: Middleware = {
    async onRequest({ request }) {
      // Asked for each time: Clerk's tokens live for a minute, and its SDK renews them.
      const token = await getToken();
      if (token) request.headers.set("Authorization", `Bearer ${token}`);
      // Whoever repeats this very request, a proxy or a retry, causes nothing twice. To send it again later, give it a key.
      if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
        request.headers.set("Idempotency-Key", newKey());
      }
      return request;
    },
    async onResponse({ response }) {
      if (response.ok) return;
      const isProblem = response.headers.get("Content-Type") === "application/problem+json";
      // A proxy in between has pages of its own.
      throw isProblem ? new ApiError(await response.json()) : new Error(`The store cannot be reached (${response.status}).`);
    },
  };
  const client = createClient<paths>({ baseUrl });
  client.use(middleware);
  return client;
}

export type Api = ReturnType<typeof createApi>;

/** The body of an answer; errors were thrown before. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

/** Every row of a list, page after page. */
export async function all<T>(
  page: (cursor?: string) => Promise<{ data: T[]; nextCursor: string | null }>,
): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const { data, nextCursor } = await page(cursor);
    rows.push(...data);
    cursor = nextCursor ?? undefined;
  } while (cursor);
  return rows;
}
