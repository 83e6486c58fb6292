// Signing in: Clerk's own form where Clerk is on the page, else the development store's people.

import { h } from "../html";

const PEOPLE = [
  ["learner-1", "has bought and started courses"],
  ["learner-2", "has just arrived"],
  ["admin", "owns the store"],
] as const;

export async function signIn(): Promise<HTMLElement> {
  const back = new URLSearchParams(location.search).get("back") ?? "/";
  const enter = (user: string) => document.dispatchEvent(new CustomEvent("signed-in", { detail: { user, back } }));
  if (window.Clerk) window.Clerk.openSignIn();
  const submit = (event: Event) => {
    event.preventDefault();
    enter(String(new FormData(event.target as HTMLFormElement).get("user")));
  };
  return h(
    "section",
    { class: "narrow" },
    h("h1", {}, "Sign in"),
    h("p", { class: "quiet" }, "The development store signs you in as whomever you like. In production this is Clerk's form."),
    h(
      "div",
      { class: "people" },
      PEOPLE.map(([name, what]) =>
        h("button", { class: "card person", onclick: () => enter(name) }, h("b", {}, name), h("span", { class: "quiet" }, what)),
      ),
    ),
    h(
      "form",
      { class: "row", onsubmit: submit },
      h("input", { name: "user", required: true, pattern: "[a-z0-9\\-]{1,40}", placeholder: "or somebody new: ada", "aria-label": "Name" }),
      h("button", { class: "button" }, "Sign in"),
    ),
  );
}
