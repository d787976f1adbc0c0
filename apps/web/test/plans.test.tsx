import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Plans } from "../components/plans";
import * as api from "../lib/plans-api";

vi.mock("../lib/plans-api");
const listPlans = vi.mocked(api.listPlans);
const createPlan = vi.mocked(api.createPlan);

const swim = { id: "1", title: "Swim", createdAt: "2026-01-02T03:04:05.000Z" };
const read = { id: "2", title: "Read", createdAt: "2026-01-03T03:04:05.000Z" };

beforeEach(() => {
  vi.resetAllMocks();
});
afterEach(cleanup);

describe("the list", () => {
  test("says that it loads, then shows the plans", async () => {
    listPlans.mockResolvedValue([read, swim]);
    render(<Plans />);
    expect(screen.getByText("Loading the plans…").getAttribute("role")).toBe("status");
    const items = await screen.findAllByTestId("plan-item");
    expect(items.map((item) => item.querySelector(".title")?.textContent)).toEqual(["Read", "Swim"]);
  });

  test("says that it is empty", async () => {
    listPlans.mockResolvedValue([]);
    render(<Plans />);
    expect(await screen.findByText(/No plans yet/)).toBeTruthy();
    expect(screen.queryByTestId("plan-error")).toBeNull();
  });

  test("shows why it failed and loads again when asked", async () => {
    listPlans.mockRejectedValueOnce(new Error("The plans service does not answer."));
    listPlans.mockResolvedValueOnce([swim]);
    render(<Plans />);
    expect((await screen.findByTestId("plan-error")).textContent).toBe("The plans service does not answer.");
    await userEvent.click(screen.getByRole("button", { name: "Load the plans again" }));
    expect(await screen.findAllByTestId("plan-item")).toHaveLength(1);
    expect(screen.queryByTestId("plan-error")).toBeNull();
  });
});

describe("the form", () => {
  test("creates a plan with the keyboard alone and goes on in the emptied input", async () => {
    listPlans.mockResolvedValueOnce([]).mockResolvedValueOnce([swim]);
    createPlan.mockResolvedValue(swim);
    render(<Plans />);
    await screen.findByText(/No plans yet/);
    await userEvent.tab();
    await userEvent.keyboard("Swim{Enter}");
    expect(await screen.findAllByTestId("plan-item")).toHaveLength(1);
    expect(createPlan).toHaveBeenCalledExactlyOnceWith("Swim");
    const input = screen.getByLabelText<HTMLInputElement>("New plan");
    expect(input.value).toBe("");
    expect(document.activeElement).toBe(input);
    expect(screen.getByTestId("plan-done").textContent).toBe("Added: Swim");
  });

  test("asks for a title instead of sending none", async () => {
    listPlans.mockResolvedValue([]);
    render(<Plans />);
    await userEvent.type(screen.getByTestId("plan-title"), "   ");
    await userEvent.click(screen.getByTestId("plan-submit"));
    expect(screen.getByTestId("plan-error").textContent).toBe("Give the plan a title.");
    expect(screen.getByTestId("plan-title").getAttribute("aria-invalid")).toBe("true");
    expect(createPlan).not.toHaveBeenCalled();
  });

  test("says that a title is too long, and cuts nothing off", async () => {
    listPlans.mockResolvedValue([]);
    render(<Plans />);
    const long = "🍀".repeat(121);
    await userEvent.click(screen.getByTestId("plan-title"));
    await userEvent.paste(long);
    await userEvent.click(screen.getByTestId("plan-submit"));
    expect(screen.getByTestId("plan-error").textContent).toBe("The title has 121 characters: shorten it to 120.");
    expect(screen.getByLabelText<HTMLInputElement>("New plan").value).toBe(long);
    expect(createPlan).not.toHaveBeenCalled();
  });

  test("keeps the title and the list when the server refuses", async () => {
    listPlans.mockResolvedValue([read]);
    createPlan.mockRejectedValue(new Error("The plans service does not answer."));
    render(<Plans />);
    await screen.findByTestId("plan-list");
    await userEvent.type(screen.getByTestId("plan-title"), "Swim");
    await userEvent.click(screen.getByTestId("plan-submit"));
    expect((await screen.findByTestId("plan-error")).textContent).toBe("The plans service does not answer.");
    expect(screen.getByLabelText<HTMLInputElement>("New plan").value).toBe("Swim");
    expect(screen.getAllByTestId("plan-item")).toHaveLength(1);
  });

  test("sends a plan once, however often it is submitted", async () => {
    listPlans.mockResolvedValue([]);
    createPlan.mockReturnValue(new Promise(() => undefined));
    render(<Plans />);
    await userEvent.type(screen.getByTestId("plan-title"), "Swim{Enter}{Enter}");
    expect(screen.getByTestId("plan-submit").textContent).toBe("Saving…");
    expect(createPlan).toHaveBeenCalledOnce();
  });
});
