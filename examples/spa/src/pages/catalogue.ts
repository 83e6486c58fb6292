// What is on sale, page by page, with a search.

import { body, type Schemas } from "../api";
import { cover, h, link, price } from "../html";
import { api } from "../session";

type Sort = "name" | "-createdAt" | "priceInCents";

const SORTS: [Sort, string][] = [
  ["-createdAt", "Newest first"],
  ["name", "By name"],
  ["priceInCents", "By price"],
];

const card = (product: Schemas["Product"]) =>
  link(
    `/products/${product.id}`,
    { class: "card product" },
    cover(product.name, product.imageUrl),
    h("h2", {}, product.name),
    h("p", { class: "quiet clamp" }, product.description),
    h("b", { class: "price" }, price(product.priceInCents, product.currency)),
  );

export async function catalogue(): Promise<HTMLElement> {
  const grid = h("div", { class: "grid" });
  const more = h("button", { class: "button plain" }, "Show more");
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search", maxlength: "100" }) as HTMLInputElement;
  const sort = h(
    "select",
    { "aria-label": "Order" },
    SORTS.map(([value, text]) => h("option", { value }, text)),
  ) as HTMLSelectElement;
  let cursor: string | null = null;

  async function load(from: string | null): Promise<void> {
    const page = await body(
      api.GET("/v1/products", {
        params: {
          query: { limit: 6, q: search.value.trim() || undefined, sort: sort.value as Sort, cursor: from ?? undefined },
        },
      }),
    );
    const cards = page.data.map(card);
    if (from === null) grid.replaceChildren(...(cards.length ? cards : [h("p", { class: "quiet" }, "Nothing matches.")]));
    else grid.append(...cards);
    cursor = page.nextCursor;
    more.hidden = cursor === null;
  }

  more.addEventListener("click", () => void load(cursor));
  sort.addEventListener("change", () => void load(null));
  search.addEventListener("change", () => void load(null));
  await load(null);
  return h(
    "section",
    {},
    h("div", { class: "head" }, h("h1", {}, "Learn something that stays"), h("div", { class: "row" }, search, sort)),
    grid,
    h("div", { class: "center" }, more),
  );
}
