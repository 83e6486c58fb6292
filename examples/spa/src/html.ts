// Elements from code: text is always text, never markup.

type Child = Node | string | null | false | Child[];
type Attributes = Record<string, string | boolean | ((event: Event) => unknown)>;

export function h(tag: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...nodes(children));
  return element;
}

const nodes = (children: Child[]): (Node | string)[] =>
  children.flatMap((child) => (Array.isArray(child) ? nodes(child) : child === null || child === false ? [] : [child]));

export const link = (href: string, attributes: Attributes, ...children: Child[]) => h("a", { href, ...attributes }, ...children);

export const money = (amountInCents: number, currency: string): string => {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  // The smallest unit is a hundredth of a dollar, but a whole yen.
  return format.format(amountInCents / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
};

export const price = (amountInCents: number, currency: string): string =>
  amountInCents === 0 ? "Free" : money(amountInCents, currency);

export const date = (text: string): string =>
  new Intl.DateTimeFormat("en", { dateStyle: "medium" }).format(new Date(text));

/** A picture, over colours of its own that stay when it does not load. */
export function cover(name: string, imageUrl: string): HTMLElement {
  const hue = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0) * 7, 0) % 360;
  const image = h("img", { src: imageUrl, alt: "", loading: "lazy", onerror: (event) => (event.target as Element).remove() });
  const initial = h("span", {}, name.charAt(0));
  return h("div", { class: "cover", style: `--hue: ${hue}` }, initial, image);
}

export const bar = (percent: number): HTMLElement =>
  h(
    "div",
    { class: "bar", role: "progressbar", "aria-valuenow": String(percent), "aria-valuemin": "0", "aria-valuemax": "100" },
    h("span", { style: `width: ${percent}%` }),
  );
