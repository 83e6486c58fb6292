// For the owner: the courses, and the order of their lessons.

import { all, ApiError, body, type Schemas } from "../api";
import { h, link } from "../html";
import { api } from "../session";

export async function manage(): Promise<HTMLElement> {
  const courses = await all((cursor) => body(api.GET("/v1/admin/courses", { params: { query: { limit: 100, cursor } } })));
  return h(
    "section",
    {},
    h("h1", {}, "Manage courses"),
    h(
      "table",
      { class: "card" },
      h("tr", {}, ["Course", "Sections", "Lessons", "Students"].map((text) => h("th", {}, text))),
      courses.map((course) =>
        h(
          "tr",
          {},
          h("td", {}, link(`/manage/${course.id}`, {}, course.name)),
          [course.sectionCount, course.lessonCount, course.studentCount].map((count) => h("td", {}, String(count))),
        ),
      ),
    ),
  );
}

export async function manageCourse(id: string): Promise<HTMLElement> {
  const course = await body(api.GET("/v1/admin/courses/{id}", { params: { path: { id } } }));
  const sections = await Promise.all(course.sections.map(({ id }) => sectionCard(id)));
  return h("section", { class: "narrow" }, h("h1", {}, course.name), h("p", { class: "quiet" }, "Move lessons up and down."), sections);
}

/** A section as it is now, with the version of it that an order is meant for. */
async function read(id: string) {
  const { data, response } = await api.GET("/v1/admin/sections/{id}", { params: { path: { id } } });
  return { section: data as Schemas["OwnedSectionWithLessons"], etag: response.headers.get("ETag") };
}

/** Puts the lessons in this order, unless somebody else changed the section since it was read. */
async function order(id: string, ids: string[], etag: string | null) {
  await api.PUT("/v1/admin/sections/{id}/lessons/order", {
    params: { path: { id } },
    headers: etag === null ? {} : { "If-Match": etag },
    body: { ids },
  });
}

async function sectionCard(id: string, notice = ""): Promise<HTMLElement> {
  const { section, etag } = await read(id);
  const ids = section.lessons.map((lesson) => lesson.id);
  const move = async (index: number, by: number) => {
    const next = ids.filter((_, place) => place !== index);
    next.splice(index + by, 0, ids[index]!);
    let notice = "Saved.";
    try {
      await order(id, next, etag);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notice = error.problem.status === 412 ? "Somebody else was faster. This is the order as it is now." : error.message;
    }
    card.replaceWith(await sectionCard(id, notice));
  };
  const arrow = (text: string, name: string, index: number, by: number) =>
    h("button", { class: "arrow", "aria-label": `Move ${name} ${by < 0 ? "up" : "down"}`, disabled: !(index + by in ids), onclick: () => move(index, by) }, text);
  const card = h(
    "article",
    { class: "card" },
    h("h2", {}, section.name, " ", h("span", { class: "tag" }, section.status)),
    h("p", { class: "quiet", role: "status" }, notice),
    h(
      "ol",
      { class: "sortable" },
      section.lessons.map((lesson, index) =>
        h(
          "li",
          {},
          h("span", {}, lesson.name),
          h("span", { class: "tag" }, lesson.status),
          arrow("↑", lesson.name, index, -1),
          arrow("↓", lesson.name, index, 1),
        ),
      ),
    ),
  );
  return card;
}
