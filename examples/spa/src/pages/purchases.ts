// What the caller has bought, line by line.

import { all, body } from "../api";
import { cover, date, h, link, money } from "../html";
import { api } from "../session";

const STATUS = { paid: "Paid", partially_refunded: "Partly refunded", refunded: "Refunded", disputed: "Disputed" };

export async function purchases(): Promise<HTMLElement> {
  const mine = await all((cursor) => body(api.GET("/v1/me/purchases", { params: { query: { limit: 100, cursor } } })));
  return h(
    "section",
    { class: "narrow" },
    h("h1", {}, "Purchases"),
    mine.length === 0 && h("p", { class: "quiet" }, "None yet. ", link("/", {}, "Have a look around.")),
    mine.map((purchase) =>
      h(
        "article",
        { class: "card purchase" },
        cover(purchase.productDetails.name, purchase.productDetails.imageUrl),
        h(
          "div",
          {},
          h("h2", {}, purchase.productDetails.name),
          h("p", { class: "quiet" }, date(purchase.createdAt), " · ", h("span", { class: "tag" }, STATUS[purchase.status])),
          h(
            "table",
            {},
            purchase.pricingRows.map((row) =>
              h("tr", { class: row.kind }, h("td", {}, row.label), h("td", {}, money(row.amountInCents, purchase.currency))),
            ),
          ),
          purchase.receiptUrl !== null && link(purchase.receiptUrl, { target: "_blank", rel: "noreferrer" }, "Receipt"),
        ),
      ),
    ),
  );
}
