// The pages by their address, the menu, and one place for everything that goes wrong.

import "./style.css";
import { ApiError, body } from "./api";
import { h, link } from "./html";
import { api, signInAs, signOut, userName } from "./session";
import { catalogue } from "./pages/catalogue";
import { checkout } from "./pages/checkout";
import { courses } from "./pages/courses";
import { player } from "./pages/player";
import { product } from "./pages/product";
import { purchases } from "./pages/purchases";
import { manage, manageCourse } from "./pages/manage";
import { signIn } from "./pages/signin";

type Page = (...parts: string[]) => Promise<HTMLElement>;

const PAGES: [RegExp, Page][] = [
  [/^\/$/, catalogue],
  [/^\/products\/([^/]+)$/, product],
  [/^\/checkout\/([^/]+)$/, checkout],
  [/^\/courses$/, courses],
  [/^\/courses\/([^/]+)(?:\/lessons\/([^/]+))?$/, player],
  [/^\/purchases$/, purchases],
  [/^\/manage$/, manage],
  [/^\/manage\/([^/]+)$/, manageCourse],
  [/^\/sign-in$/, signIn],
];

const top = document.querySelector("#top")!;
const place = document.querySelector("#page")!;
let visit = 0;

function go(path: string): void {
  history.pushState(null, "", path);
  void show();
}

async function show(): Promise<void> {
  const mine = ++visit;
  const [pattern, page] = PAGES.find(([pattern]) => pattern.test(location.pathname)) ?? [/$/, missing];
  void menu();
  let content: HTMLElement;
  try {
    content = await page(...(location.pathname.match(pattern) ?? []).slice(1));
  } catch (error) {
    content = apology(error);
  }
  if (mine !== visit) return;
  place.replaceChildren(content);
  document.title = `${content.querySelector("h1")?.textContent ?? "Store"} · Lectern`;
}

const missing: Page = async () => h("section", { class: "narrow" }, h("h1", {}, "Nothing here"), link("/", {}, "To the catalogue"));

/** The codes that this page can do something about; the rest say for themselves what is wrong. */
function apology(error: unknown): HTMLElement {
  if (error instanceof ApiError && error.code === "unauthenticated") {
    const back = encodeURIComponent(location.pathname);
    return h(
      "section",
      { class: "narrow card" },
      h("h1", {}, "Please sign in"),
      h("p", {}, "This is for people who are signed in."),
      link(`/sign-in?back=${back}`, { class: "button" }, "Sign in"),
    );
  }
  const title = error instanceof ApiError ? error.problem.title : "That did not work";
  const detail = error instanceof ApiError ? error.message : "The store does not answer. Is it running?";
  const reference = error instanceof ApiError ? error.problem.requestId : undefined;
  return h(
    "section",
    { class: "narrow card", role: "alert" },
    h("h1", {}, title),
    h("p", {}, detail),
    reference !== undefined && h("p", { class: "quiet" }, `Reference: ${reference}`),
  );
}

async function menu(): Promise<void> {
  const name = userName();
  const item = (path: string, text: string) =>
    link(path, location.pathname === path ? { "aria-current": "page" } : {}, text);
  const role = name === null ? null : await body(api.GET("/v1/me")).then((me) => me.role, () => null);
  const leave = async (event: Event) => {
    event.preventDefault();
    await signOut();
    go("/");
  };
  top.replaceChildren(
    link("/", { class: "brand" }, "Lectern"),
    h(
      "nav",
      {},
      item("/", "Catalogue"),
      name !== null && [item("/courses", "My courses"), item("/purchases", "Purchases")],
      role === "admin" && item("/manage", "Manage"),
    ),
    name === null
      ? link("/sign-in", { class: "button small" }, "Sign in")
      : h("span", { class: "who" }, h("b", {}, name), link("#", { class: "quiet", onclick: leave }, "Sign out")),
  );
}

// Links within the store change the page without loading it anew.
document.addEventListener("click", (event) => {
  const target = (event.target as Element).closest("a");
  if (!target || target.origin !== location.origin || event.defaultPrevented || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  go(target.pathname + target.search);
});
document.addEventListener("signed-in", (event) => {
  const { user, back } = (event as CustomEvent<{ user: string; back: string }>).detail;
  void signInAs(user).then(
    () => go(back),
    (error) => place.replaceChildren(apology(error)),
  );
});
addEventListener("popstate", () => void show());
void show();
