// Every operation is tried out in /docs: what is sent is what the page shows, and the answer is one that is documented.

import assert from "node:assert/strict";

const NOBODY = "00000000-0000-4000-8000-000000000000";

/** Tries out those operations that are wanted, in several pages at once: Swagger UI takes a second to unfold one. */
export async function tryOut({ api, pages, document, credentials, wanted }) {
  const waiting = operationsOf(document, credentials).filter(wanted);
  const count = waiting.length;
  const filledIn = new Set();
  const work = async (page) => {
    for (let operation; (operation = waiting.shift()); ) {
      try {
        await tryOneOut({ api, page, operation, filledIn });
      } catch (error) {
        throw new Error(`${operation.id}: ${error.message}`, { cause: error });
      }
    }
  };
  await Promise.all(pages.map(work));
  return count;
}

/** The operations, each with the fields and bodies that Swagger UI fills in, and the headers it adds by itself. */
function operationsOf(document, credentials) {
  const { schemas, securitySchemes } = document.components;
  const resolve = (schema) => (schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema);
  const authorisation = (scheme) => {
    const { type, name } = securitySchemes[scheme];
    return type === "http" ? ["authorization", `Bearer ${credentials[scheme]}`] : [name.toLowerCase(), credentials[scheme]];
  };
  const operation = (path, method, { operationId: id, parameters = [], requestBody, responses, security }) => ({
    id,
    path,
    method: method.toUpperCase(),
    fields: parameters.map((parameter) => {
      const schema = resolve(parameter.schema);
      return { ...parameter, schema, value: parameter.example ?? schema.default };
    }),
    bodies: Object.entries(requestBody?.content ?? {}).map(([type, { example }]) => ({ type, example })),
    authorisation: security.flatMap(Object.keys).map(authorisation),
    statuses: Object.keys(responses),
  });
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => operation(path, method, described)),
  );
}

/** As it is shown, and then with the fields that were empty, each of them in one operation, and the other kind of body. */
async function tryOneOut({ api, page, operation, filledIn }) {
  const { id, fields, bodies } = operation;
  const block = page.locator(`[id^="operations-"][id$="-${id}"]`);
  const fold = () => block.locator(".opblock-summary-control").first().dispatchEvent("click");
  if (!(await block.locator("button.execute").isVisible())) await fold();
  await execute({ api, page, operation, block, body: bodies[0] });

  const empty = fields.filter(({ in: place, name, value }) => value === undefined && !filledIn.has(`${place} ${name}`));
  for (const field of empty) {
    const { in: place, name } = field;
    field.value = typed(field);
    filledIn.add(`${place} ${name}`);
    const row = block.locator(`tr[data-param-name="${name}"][data-param-in="${place}"]`);
    if (field.schema.enum) await row.locator("select").selectOption(field.value);
    else await row.locator("input").fill(field.value);
  }
  const other = bodies[1];
  if (other) await block.locator("select.content-type", { hasText: other.type }).first().selectOption(other.type);
  if (empty.length > 0 || other) await execute({ api, page, operation, block, body: other ?? bodies[0] });
  await fold();
}

/** What a person might type into a field that is empty. */
function typed({ name, schema }) {
  if (schema.enum) return schema.enum[0];
  if (schema.format === "uuid") return NOBODY;
  if (schema.format === "date-time") return "2026-11-23T08:30:00.000Z";
  return name.startsWith("If-") ? '"a.tag"' : "text";
}

async function execute({ api, page, operation, block, body }) {
  const { method, path, fields, authorisation, statuses } = operation;
  const answered = (response) => response.url().startsWith(api);
  const [response] = await Promise.all([page.waitForResponse(answered), block.locator("button.execute").click()]);
  const request = response.request();
  const status = String(response.status());

  const shown = (place) => fields.filter((field) => field.in === place && field.value !== undefined);
  const url = new URL(request.url());
  const pathname = shown("path").reduce((path, { name, value }) => path.replace(`{${name}}`, value), path);
  assert.equal(`${request.method()} ${url.pathname}`, `${method} ${pathname}`);
  const query = shown("query").map(({ name, value }) => [name, String(value)]);
  assert.deepEqual([...url.searchParams], query);
  const sent = request.headers();
  const headers = shown("header").map(({ name, value }) => [name.toLowerCase(), value]);
  if (body) headers.push(["content-type", body.type]);
  for (const [name, value] of [...headers, ...authorisation]) assert.equal(sent[name], value, name);
  assert.deepEqual(request.postDataJSON(), body?.example ?? null);

  assert.ok(statuses.includes(status), `is answered with ${status}, which is not documented`);
  await block.locator(".live-responses-table .response-col_status", { hasText: status }).first().waitFor();
}
