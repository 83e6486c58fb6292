// Where Stripe sends the buyer back to: waits for the purchase.

import { outcome } from "../checkout";
import { body, type Schemas } from "../api";
import { h, link, money } from "../html";
import { api } from "../session";

const ENDINGS: Partial<Record<Schemas["CheckoutSessionStatus"], string>> = {
  failed: "The payment did not go through. You were not charged.",
  expired: "This checkout was open for too long. Nothing was charged.",
  canceled: "This checkout was canceled. Nothing was charged.",
};

export async function checkout(id: string): Promise<HTMLElement> {
  const card = h("section", { class: "narrow card center" });
  const tell = (session: Schemas["CheckoutSession"]) => {
    const text =
      session.status === "processing"
        ? "Your bank is on it. You can close this page: the course appears among yours when the money arrives."
        : "Waiting for the payment …";
    card.replaceChildren(h("div", { class: "spinner" }), h("h1", {}, "One moment"), h("p", {}, text));
  };
  const session = await body(api.GET("/v1/checkout/sessions/{id}", { params: { path: { id } } }));
  tell(session);
  outcome(api, id, tell).then(
    (ended) =>
      card.replaceChildren(
        ...(ended.status === "fulfilled"
          ? [
              h("div", { class: "tick" }, "✓"),
              h("h1", {}, "Thank you!"),
              h("p", {}, `You paid ${money(ended.totalInCents, ended.currency)}. Your course is ready.`),
              link("/courses", { class: "button" }, "Start learning"),
            ]
          : [
              h("h1", {}, "Not bought"),
              h("p", {}, ENDINGS[ended.status] ?? ended.status),
              link(`/products/${ended.productId}`, { class: "button" }, "Try again"),
            ]),
      ),
    (error) => card.replaceChildren(h("h1", {}, "Not known yet"), h("p", { role: "alert" }, error.message)),
  );
  return card;
}
