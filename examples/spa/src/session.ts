// Who is signed in: through Clerk where its script is on the page, else through the development store's own issuer.

import { createApi } from "./api";

export const API_URL: string = import.meta.env.VITE_API_URL ?? "http://127.0.0.1:8080";

/** As much of https://clerk.com/docs/reference/javascript/clerk as is used here. */
interface Clerk {
  session: { getToken(): Promise<string | null> } | null | undefined;
  user: { firstName: string | null } | null | undefined;
  openSignIn(): void;
  signOut(): Promise<void>;
}

declare global {
  interface Window {
    Clerk?: Clerk;
  }
}

interface Session {
  user: string;
  token: string;
}

const KEY = "lectern-session";

const stored = (): Session | null => JSON.parse(sessionStorage.getItem(KEY) ?? "null");

export const userName = (): string | null =>
  window.Clerk ? (window.Clerk.session ? (window.Clerk.user?.firstName ?? "you") : null) : (stored()?.user ?? null);

export const api = createApi(API_URL, async () =>
  window.Clerk ? ((await window.Clerk.session?.getToken()) ?? null) : (stored()?.token ?? null),
);

/** Only the development store answers this. */
export async function signInAs(user: string): Promise<void> {
  const answer = await fetch(`${API_URL}/dev/tokens`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user }),
  });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  sessionStorage.setItem(KEY, JSON.stringify(await answer.json()));
}

export async function signOut(): Promise<void> {
  sessionStorage.removeItem(KEY);
  await window.Clerk?.signOut();
}
