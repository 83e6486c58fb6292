// A product: what is in it, what it costs this visitor, and the way to buy it.

import { ApiError, body, type Schemas } from "../api";
import { openEmbedded, openHosted, type Stripe } from "../checkout";
import { cover, h, link, money, price } from "../html";
import { api, userName } from "../session";

declare global {
  interface Window {
    /** Stripe.js, made with the store's publishable key, where the page loads it. */
    stripe?: Stripe;
  }
}

export async function product(id: string): Promise<HTMLElement> {
  const path = { params: { path: { id } } };
  const [shown, quote] = await Promise.all([
    body(api.GET("/v1/products/{id}", path)),
    body(api.GET("/v1/products/{id}/quote", path)),
  ]);
  return h(
    "section",
    { class: "two" },
    h(
      "div",
      {},
      h("h1", {}, shown.name),
      h("p", {}, shown.description),
      shown.courses.map(outline),
    ),
    h("aside", { class: "card buy" }, cover(shown.name, shown.imageUrl), offer(shown, quote)),
  );
}

const outline = (course: Schemas["OutlineCourse"]) =>
  h(
    "article",
    { class: "card" },
    h("h2", {}, course.name),
    h("p", { class: "quiet" }, `${course.sectionCount} sections, ${course.lessonCount} lessons`),
    course.sections.map((section) =>
      h(
        "details",
        { open: true },
        h("summary", {}, section.name),
        h(
          "ul",
          { class: "lessons" },
          section.lessons.map((lesson) =>
            h(
              "li",
              {},
              lesson.status === "preview"
                ? link(`/courses/${course.id}/lessons/${lesson.id}`, {}, lesson.name, h("span", { class: "tag" }, "Preview"))
                : lesson.name,
            ),
          ),
        ),
      ),
    ),
  );

function offer(shown: Schemas["ProductDetail"], quote: Schemas["Quote"]): HTMLElement {
  const box = h("div", {});
  const say = (text: string) => box.replaceChildren(h("p", { role: "alert", class: "alert" }, text));
  // A price of which a discount leaves nothing is checked out like any other.
  const isFree = quote.subtotalInCents === 0;
  const total = h("b", { class: "price large" }, price(quote.totalInCents, quote.currency));
  const before = quote.discountInCents > 0 && h("s", { class: "quiet" }, money(quote.subtotalInCents, quote.currency));
  if (quote.owned) return h("div", {}, h("p", {}, "This is yours."), link("/courses", { class: "button wide" }, "To my courses"));

  const buy = async () => {
    try {
      if (isFree) {
        await body(api.POST("/v1/products/{id}/claim", { params: { path: { id: shown.id } } }));
        location.assign("/courses");
      } else {
        const session = await openHosted(api, shown.id, quote.totalInCents);
        if (session.url) location.assign(session.url);
      }
    } catch (error) {
      if (error instanceof ApiError && error.code === "price-changed" && error.problem.quote) {
        // The buyer agrees to the new price, or leaves.
        box.closest(".buy")?.lastElementChild?.replaceWith(offer(shown, error.problem.quote));
      } else {
        say(error instanceof Error ? error.message : String(error));
      }
    }
  };
  const { stripe } = window;
  const payHere = () => stripe && openEmbedded(api, stripe, shown.id, quote.totalInCents, box).catch((error) => say(error.message));

  return h(
    "div",
    {},
    h("p", {}, total, " ", before),
    quote.overlap.length > 0 && h("p", { class: "quiet" }, `You already have ${quote.overlap.map(({ name }) => name).join(", ")}.`),
    userName() === null
      ? link(`/sign-in?back=${encodeURIComponent(location.pathname)}`, { class: "button wide" }, "Sign in to buy")
      : h("button", { class: "button wide", onclick: buy }, isFree ? "Get it for free" : "Buy now"),
    userName() !== null && !isFree && stripe !== undefined && h("button", { class: "button plain wide", onclick: payHere }, "Pay on this page"),
    box,
  );
}
