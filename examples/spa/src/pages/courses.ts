// The caller's courses, with how far they have come.

import { all, body } from "../api";
import { bar, h, link } from "../html";
import { api } from "../session";

export async function courses(): Promise<HTMLElement> {
  const mine = await all((cursor) => body(api.GET("/v1/me/courses", { params: { query: { limit: 100, cursor } } })));
  return h(
    "section",
    {},
    h("h1", {}, "My courses"),
    mine.length === 0 && h("p", { class: "quiet" }, "None yet. ", link("/", {}, "Have a look around.")),
    h(
      "div",
      { class: "grid" },
      mine.map((course) =>
        link(
          `/courses/${course.id}${course.nextLesson ? `/lessons/${course.nextLesson.id}` : ""}`,
          { class: "card" },
          h("h2", {}, course.name),
          bar(course.percent),
          h("p", { class: "quiet" }, `${course.completedLessonCount} of ${course.lessonCount} lessons, ${course.percent} %`),
          h("p", {}, course.nextLesson ? `Next: ${course.nextLesson.name}` : "All done."),
        ),
      ),
    ),
  );
}
