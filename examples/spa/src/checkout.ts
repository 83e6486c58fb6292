// Buying: a quote, a checkout session, Stripe's form, and the wait for the purchase.

import { body, type Api, type Schemas } from "./api";

type Checkout = Schemas["CheckoutSession"];

// Lectern puts the checkout's id in the place of `{CHECKOUT_ID}`.
const returnUrl = () => `${location.origin}/checkout/{CHECKOUT_ID}`;

/** Stripe's own page: send the buyer to `url`. */
export const openHosted = (api: Api, productId: string, expectedTotalInCents: number): Promise<Checkout> =>
  body(
    api.POST("/v1/checkout/sessions", {
      body: { productId, uiMode: "hosted", returnUrl: returnUrl(), expectedTotalInCents },
    }),
  );

/** As much of https://docs.stripe.com/js as is used here. */
export interface Stripe {
  initEmbeddedCheckout(options: { clientSecret: string }): Promise<{ mount(element: Element): void }>;
}

/** Stripe's form inside this page: give Stripe.js the `clientSecret`. */
export async function openEmbedded(
  api: Api,
  stripe: Stripe,
  productId: string,
  expectedTotalInCents: number,
  place: Element,
): Promise<void> {
  const session = await body(
    api.POST("/v1/checkout/sessions", {
      body: { productId, uiMode: "embedded", returnUrl: returnUrl(), expectedTotalInCents },
    }),
  );
  if (!session.clientSecret) return;
  const form = await stripe.initEmbeddedCheckout({ clientSecret: session.clientSecret });
  form.mount(place);
}

/** Waits until the buyer has the purchase, or will not get it. Each request is held back until something changes. */
export async function outcome(api: Api, id: string, tell: (checkout: Checkout) => void): Promise<Checkout> {
  for (;;) {
    const checkout = await body(
      api.GET("/v1/checkout/sessions/{id}", { params: { path: { id }, header: { Prefer: "wait=20" } } }),
    );
    if (checkout.status !== "open" && checkout.status !== "processing") return checkout;
    tell(checkout);
  }
}
