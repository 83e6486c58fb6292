// A developer reads /docs: gets a token, authorises, and tries operations out.

import assert from "node:assert/strict";
import { tryOut } from "./operations.mjs";
import { tokenOf } from "./token.mjs";

export async function documentation({ api, pages, shoot, step }) {
  const [page] = pages;
  const answer = await page.goto(`${api}/docs`);
  assert.equal(answer.status(), 200);
  const policy = answer.headers()["content-security-policy"];
  await page.locator(".opblock").first().waitFor();
  const document = await (await fetch(`${api}/openapi.json`)).json();
  const listed = Object.values(document.paths).flatMap((item) => Object.keys(item));
  const shown = await page.locator(".opblock-tag-section:not([id]) .opblock, .opblock").count();
  assert.ok(shown >= listed.length, `${shown} operations are shown of ${listed.length}`);
  await shoot(page, "docs");
  step(`/docs lists ${listed.length} operations${policy ? ", under a content security policy" : ""}`);

  const operation = (id) => page.locator(`[id^="operations-"][id$="-${id}"]`);
  /** Executes an opened operation and returns what Swagger UI shows of the answer. */
  const execute = async (id) => {
    const block = operation(id);
    await block.locator("button.execute").click();
    const live = block.locator(".live-responses-table .response .response-col_status").first();
    await live.waitFor();
    const body = await block.locator(".live-responses-table .response .highlight-code pre").first().innerText().catch(() => "");
    return { status: (await live.innerText()).trim().slice(0, 3), body };
  };
  const open = async (id) => {
    await operation(id).locator(".opblock-summary-control").first().click();
    await operation(id).locator("button.execute").waitFor();
  };

  /** Logs in with values, by scheme, in the place of those from before. */
  const authorise = async (values) => {
    await page.locator(".scheme-container button.authorize").click();
    const dialog = page.locator(".modal-ux");
    for (const [scheme, value] of Object.entries(values)) {
      const container = dialog.locator(".auth-container", { hasText: scheme });
      const logout = container.getByRole("button", { name: "Remove authorization" });
      if (await logout.isVisible()) await logout.click();
      await container.locator("input").fill(value);
      if (scheme === "session") await shoot(page, "docs-authorize");
      await container.getByRole("button", { name: "Apply credentials" }).click();
    }
    await dialog.locator("button.close-modal").click();
  };

  await open("createDevelopmentToken");
  await operation("createDevelopmentToken").locator("textarea.body-param__text").fill('{"user": "admin"}');
  const signedIn = await execute("createDevelopmentToken");
  assert.equal(signedIn.status, "200");
  const { token } = JSON.parse(signedIn.body);
  const credentials = { session: token, deliveryClerk: "v1,c2lnbmF0dXJl", deliveryStripe: "t=1795422600,v1=00" };
  await authorise(credentials);
  step("gives a token, and takes it");

  await page.goto(`${api}/docs/index.html#/Learn/getMe`);
  await page.reload();
  await operation("getMe").locator("button.execute").waitFor();
  const me = await execute("getMe");
  assert.equal(me.status, "200");
  assert.equal(JSON.parse(me.body).role, "admin");
  await operation("getMe").scrollIntoViewIfNeeded();
  await shoot(page, "docs-executed");
  step("a link leads to an operation; it is executed as an admin: 200");

  await open("listProducts");
  const list = await execute("listProducts");
  assert.equal(list.status, "200");
  assert.ok(JSON.parse(list.body).data.length > 5, "nothing is filled in that hides products");

  const headers = { Authorization: `Bearer ${token}` };
  const courses = await (await fetch(`${api}/v1/admin/courses`, { headers })).json();
  const [{ id, name }] = courses.data;
  await open("adminUpdateCourse");
  const patch = operation("adminUpdateCourse");
  await patch.locator('input[placeholder="id"]').fill(id);
  await patch.locator("select", { hasText: "merge-patch" }).selectOption("application/merge-patch+json");
  await patch.locator("textarea.body-param__text").fill(JSON.stringify({ name }));
  const sent = page.waitForRequest((request) => request.method() === "PATCH");
  const patched = await execute("adminUpdateCourse");
  assert.equal(patched.status, "200");
  assert.equal((await sent).headers()["content-type"], "application/merge-patch+json");
  assert.equal(JSON.parse(patched.body).name, name);
  step("sends a merge patch");

  // What was typed above is forgotten, the authorisation is not.
  for (const each of pages) {
    await each.goto(`${api}/docs`);
    await each.locator(".opblock").first().waitFor();
  }
  const isLeaving = ({ id }) => id === "deleteMe";
  const tried = await tryOut({ api, pages, document, credentials, wanted: (operation) => !isLeaving(operation) });
  const session = await tokenOf(api, "somebody-who-leaves");
  await authorise({ session });
  const left = await tryOut({ api, pages: [page], document, credentials: { session }, wanted: isLeaving });
  assert.equal(tried + left, listed.length);
  step(`tries ${listed.length} operations out: sends what is shown, and is answered as documented`);
}
