// A lesson, the outline beside it, and the ticks.

import { ApiError, body, type Schemas } from "../api";
import { bar, h, link } from "../html";
import { api, userName } from "../session";

/** The outline is for those who have the course; a preview is for everybody. */
async function outlineOf(id: string): Promise<Schemas["Player"] | null> {
  if (userName() === null) return null;
  try {
    return await body(api.GET("/v1/courses/{id}", { params: { path: { id } } }));
  } catch (error) {
    if (error instanceof ApiError && error.code === "course-access-required") return null;
    throw error;
  }
}

export async function player(id: string, lessonId?: string): Promise<HTMLElement> {
  const course = await outlineOf(id);
  const shown = lessonId ?? course?.sections.flatMap(({ lessons }) => lessons)[0]?.id;
  if (shown === undefined) return h("section", { class: "narrow" }, h("h1", {}, course?.name ?? "Course"), h("p", {}, "No lessons yet."));
  const lesson = await body(api.GET("/v1/courses/{id}/lessons/{lessonId}", { params: { path: { id, lessonId: shown } } }));
  const page = h("section", { class: course ? "two player" : "narrow" });

  const tick = async () => {
    const path = { params: { path: { lessonId: lesson.id } } };
    await (lesson.completed
      ? api.DELETE("/v1/me/lessons/{lessonId}/completion", path)
      : api.PUT("/v1/me/lessons/{lessonId}/completion", path));
    page.replaceWith(await player(id, lesson.id));
  };
  const step = (to: Schemas["Lesson"]["nextLesson"], text: string) =>
    to && link(`/courses/${id}/lessons/${to.id}`, { class: "button plain small", title: to.name }, text);

  page.append(
    h(
      "div",
      {},
      h("h1", {}, lesson.name),
      video(lesson.youtubeVideoId, lesson.name),
      lesson.description !== null && h("p", {}, lesson.description),
      h(
        "div",
        { class: "row" },
        step(lesson.previousLesson, "← Previous"),
        lesson.canComplete &&
          h("button", { class: lesson.completed ? "button done small" : "button small", onclick: tick }, lesson.completed ? "✓ Completed" : "Mark as complete"),
        step(lesson.nextLesson, "Next →"),
      ),
    ),
  );
  if (course) page.append(outline(course, lesson.id));
  return page;
}

const outline = (course: Schemas["Player"], current: string) =>
  h(
    "aside",
    { class: "card" },
    h("h2", {}, course.name),
    bar(course.percent),
    h("p", { class: "quiet", id: "progress" }, `${course.completedLessonCount} of ${course.lessonCount} lessons, ${course.percent} %`),
    course.sections.map((section) => [
      h("h3", {}, section.name),
      h(
        "ul",
        { class: "lessons" },
        section.lessons.map((lesson) =>
          h(
            "li",
            { class: lesson.completed ? "ticked" : "" },
            link(`/courses/${course.id}/lessons/${lesson.id}`, lesson.id === current ? { "aria-current": "page" } : {}, lesson.name),
          ),
        ),
      ),
    ]),
  );

/** YouTube hears of the learner only when they press play. */
function video(id: string, title: string): HTMLElement {
  const frame = h("div", { class: "video" });
  const play = () => {
    const source = `https://www.youtube-nocookie.com/embed/${id}?autoplay=1`;
    frame.replaceChildren(h("iframe", { src: source, title, allow: "autoplay; encrypted-media; fullscreen" }));
  };
  frame.append(h("button", { class: "play", "aria-label": "Play the video", onclick: play }, "▶"));
  return frame;
}
