import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readTitle, TITLE_MAX } from "../src/plans/title";

test.each([
  ["one character", "x", "x"],
  ["white space around it", "  Learn to swim \n", "Learn to swim"],
  ["as many characters as allowed", "x".repeat(TITLE_MAX), "x".repeat(TITLE_MAX)],
  ["as many emoji as allowed", "🍀".repeat(TITLE_MAX), "🍀".repeat(TITLE_MAX)],
  ["an emoji of several characters", "👩‍🚀", "👩‍🚀"],
  ["another script", "学会游泳", "学会游泳"],
])("takes %s", (_case, given, title) => {
  expect(readTitle(given)).toEqual({ title });
});

test.each([
  ["nothing", undefined, "The title is empty"],
  ["what is no text", 7, "The title is empty"],
  ["white space", " \t\n", "The title is empty"],
  ["characters without any width", "\u200b\u2060", "The title is empty"],
  ["one character too many", "x".repeat(TITLE_MAX + 1), `The title has ${TITLE_MAX + 1} characters`],
  ["a line break", "two\nlines", "control character"],
  ["a NUL", "a\u0000b", "control character"],
  ["an escape sequence", "\u001b[31mred", "control character"],
  ["a line separator", "two\u2028lines", "control character"],
  ["half a character", "a\ud83cb", "control character"],
])("refuses %s", (_case, given, problem) => {
  expect(readTitle(given)).toEqual({ problem: expect.stringContaining(problem) });
});

test("the edge and service-core agree on what a title is", () => {
  const files = ["../src/plans/title.ts", "../../service-core/src/plans/title.ts"];
  const [here, there] = files.map((file) => readFileSync(new URL(file, import.meta.url), "utf8"));
  expect(here).toBe(there);
});
