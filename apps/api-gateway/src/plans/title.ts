/* The same file stands in api-gateway, which refuses early, and in service-core, which trusts nobody. */

export const TITLE_MAX = 120;

// Line breaks and other control characters, halves of a surrogate pair.
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
// Spaces and characters without any width.
const INVISIBLE = /^[\p{Cf}\p{Z}]*$/u;

/** The title without the space around it, or a sentence that says what is wrong with it. */
export function readTitle(value: unknown): { title: string } | { problem: string } {
  const title = typeof value === "string" ? value.trim() : "";
  // Counted in code points: to its author an emoji is one character.
  const length = [...title].length;
  if (INVISIBLE.test(title)) {
    return { problem: "The title is empty: give the plan a title." };
  }
  if (length > TITLE_MAX) {
    return { problem: `The title has ${length} characters: shorten it to ${TITLE_MAX}.` };
  }
  if (FORBIDDEN.test(title)) {
    return { problem: "The title has a line break or another control character: write it on one line." };
  }
  return { title };
}
