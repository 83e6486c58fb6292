// A visitor looks around, signs in, buys, learns; the owner puts lessons in another order.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { tokenOf } from "./token.mjs";

export async function store({ api, app, page, context, shoot, step, complaints }) {
  const heading = (name) => page.getByRole("heading", { level: 1, name }).waitFor();
  const link = (name) => page.getByRole("link", { name, exact: true });
  const button = (name) => page.getByRole("button", { name, exact: true });
  const admin = await tokenOf(api, "admin");
  const asAdmin = async (method, path, body) => {
    const answer = await fetch(api + path, {
      method,
      headers: { Authorization: `Bearer ${admin}`, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.json();
  };

  await page.goto(app);
  await page.locator(".product").nth(5).waitFor();
  assert.equal(await page.locator(".product").count(), 6);
  await shoot(page, "catalogue");
  await button("Show more").click();
  await page.locator(".product").nth(6).waitFor();
  await page.getByLabel("Order").selectOption("priceInCents");
  await page.locator(".product .price", { hasText: "Free" }).waitFor();
  await page.getByLabel("Search").fill("sourdough");
  await page.getByLabel("Search").press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".product").length === 1);
  step("looks around: pages, order, search");

  await page.locator(".product").click();
  await heading(/Sourdough/);
  await shoot(page, "product");
  await link("Preview").or(page.locator("a:has(.tag)")).first().click();
  await button("Play the video").waitFor();
  await page.goBack();
  await heading(/Sourdough/);
  await link("Sign in to buy").click();
  await heading("Sign in");
  await shoot(page, "sign-in");
  const learner = `learner-${randomBytes(4).toString("hex")}`;
  await page.getByLabel("Name").fill(learner);
  await button("Sign in").click();
  await heading(/Sourdough/);
  await page.locator(".who", { hasText: learner }).waitFor();
  step("watches a preview and signs in");

  await button("Buy now").click();
  await page.waitForURL(/\/stripe\/pay\//);
  await shoot(page, "local-stripe");
  await page.locator("form:has(input[value=paid]) button").click();
  await page.waitForURL(`${app}/checkout/*`);
  await heading("Thank you!");
  await shoot(page, "thank-you");
  step("pays, and waits for the purchase");

  await link("Start learning").click();
  await heading("My courses");
  await page.locator(".grid .card").first().click();
  await page.locator("#progress", { hasText: "0 %" }).waitFor();
  await button("Mark as complete").click();
  await button("✓ Completed").waitFor();
  await page.locator("#progress", { hasText: /^1 of/ }).waitFor();
  await shoot(page, "player");
  await link("Next →").click();
  await button("Mark as complete").waitFor();
  await link("My courses").click();
  await page.locator(".grid .card", { hasText: /^.*1 of/ }).waitFor();
  await shoot(page, "my-courses");
  await link("Purchases").click();
  await page.locator(".purchase", { hasText: "Sourdough" }).waitFor();
  await page.locator("tr.total").waitFor();
  await shoot(page, "purchases");
  step("ticks a lesson off, and finds the purchase");

  await page.goto(`${app}/manage`);
  await heading("Not allowed");
  await link("Sign out").click();
  await heading(/Learn something/);
  await page.goto(`${app}/courses`);
  await heading("Please sign in");
  await link("Sign in").last().click();
  await page.getByRole("button", { name: /^admin/ }).click();
  await heading("My courses");
  await link("Manage").click();
  await heading("Manage courses");
  const row = page.getByRole("link", { name: /Sourdough/ }).first();
  const course = (await row.getAttribute("href")).split("/").pop();
  await row.click();
  await page.locator(".sortable li").nth(1).waitFor();
  const { sections } = await asAdmin("GET", `/v1/admin/courses/${course}`);
  const { id, lessons } = sections.find(({ lessons }) => lessons.length > 1);
  const place = sections.findIndex((section) => section.id === id);
  const card = () => page.locator("article.card").nth(place);
  const order = async () => (await asAdmin("GET", `/v1/admin/sections/${id}`)).lessons.map((lesson) => lesson.id);
  const before = lessons.map((lesson) => lesson.id);
  await card().locator(".arrow[aria-label$=down]").first().click();
  await card().getByRole("status").getByText("Saved.").waitFor();
  assert.deepEqual(await order(), [before[1], before[0], ...before.slice(2)]);
  await shoot(page, "manage");
  step("the owner moves a lesson down");

  const { headers } = await fetch(`${api}/v1/admin/sections/${id}`, { headers: { Authorization: `Bearer ${admin}` } });
  if (headers.get("etag") !== null) {
    await asAdmin("PUT", `/v1/admin/sections/${id}/lessons/order`, { ids: before });
    await card().locator(".arrow[aria-label$=down]").first().click();
    await card().getByRole("status").getByText("Somebody else was faster.").waitFor();
    assert.deepEqual(await order(), before);
    step("and is stopped when somebody else was faster");
  }
  await asAdmin("PUT", `/v1/admin/sections/${id}/lessons/order`, { ids: before });

  // The pages of those who load Clerk's and Stripe's scripts, which stand-ins take the place of.
  const visitor = await context.newPage();
  visitor.on("pageerror", (error) => complaints.push(error.message));
  await visitor.addInitScript((token) => {
    window.Clerk = { session: { getToken: async () => token }, user: { firstName: "Ada" }, openSignIn() {}, async signOut() {} };
    window.stripe = {
      initEmbeddedCheckout: async ({ clientSecret }) => ({
        mount: (place) => place.append(`Stripe's form for ${clientSecret}`),
      }),
    };
  }, await tokenOf(api, `${learner}-2`));
  await visitor.goto(app);
  await visitor.locator(".product", { hasNotText: "Free" }).first().click();
  await visitor.locator(".who", { hasText: "Ada" }).waitFor();
  await visitor.getByRole("button", { name: "Pay on this page" }).click();
  await visitor.getByText(/Stripe's form for cs_\w+_secret_/).waitFor();
  await visitor.close();
  step("with Clerk's session and Stripe's embedded form, as well");
}
