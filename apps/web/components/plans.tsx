"use client";

import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";
import { createPlan, listPlans, type Plan } from "../lib/plans-api";

const TITLE_MAX = 120;

type Loaded = Plan[] | "loading" | "failed";

export function Plans() {
  const [plans, setPlans] = useState<Loaded>("loading");
  const [title, setTitle] = useState("");
  const [saving, setSaving] = useState(false);
  const [done, setDone] = useState("");
  const [error, setError] = useState<{ text: string; about: "title" | "list" } | null>(null);
  const input = useRef<HTMLInputElement>(null);

  const load = useCallback(async () => {
    try {
      setPlans(await listPlans());
    } catch (reason) {
      // A list that is on the screen already stays there.
      setPlans((shown) => (Array.isArray(shown) ? shown : "failed"));
      setError({ text: (reason as Error).message, about: "list" });
    }
  }, []);

  useEffect(() => {
    void load();
  }, [load]);

  function retry(): void {
    setError(null);
    setPlans("loading");
    void load();
  }

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (saving) {
      return;
    }
    setError(null);
    setDone("");
    input.current?.focus();
    const problem = problemOf(title);
    if (problem) {
      setError({ text: problem, about: "title" });
      return;
    }
    setSaving(true);
    try {
      const plan = await createPlan(title);
      setTitle("");
      setDone(`Added: ${plan.title}`);
      // Asked for again, so that what others added shows too.
      await load();
    } catch (reason) {
      setError({ text: (reason as Error).message, about: "title" });
    } finally {
      setSaving(false);
    }
  }

  return (
    <>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <label htmlFor="title">New plan</label>
        <div className="row">
          <input
            id="title"
            name="title"
            ref={input}
            value={title}
            onChange={(event) => setTitle(event.target.value)}
            autoComplete="off"
            required
            aria-invalid={error?.about === "title"}
            aria-describedby={error?.about === "title" ? "error" : undefined}
            data-testid="plan-title"
          />
          {/* Not "disabled" while it saves: the button would lose the focus. */}
          <button type="submit" aria-disabled={saving} data-testid="plan-submit">
            {saving ? "Saving…" : "Add plan"}
          </button>
        </div>
      </form>

      <div role="alert">
        {error && (
          <div className="notice">
            <p id="error" className="error" data-testid="plan-error">
              {error.text}
            </p>
            {error.about === "list" && (
              <button type="button" onClick={retry}>
                Load the plans again
              </button>
            )}
          </div>
        )}
      </div>
      {/* What everybody else sees in the list. */}
      <p role="status" className="visually-hidden" data-testid="plan-done">
        {done}
      </p>

      <section aria-labelledby="plans">
        <h2 id="plans">Plans</h2>
        <PlanList plans={plans} />
      </section>
    </>
  );
}

function PlanList({ plans }: { plans: Loaded }) {
  if (plans === "failed") {
    return <p className="empty">The plans are not here yet.</p>;
  }
  if (plans === "loading") {
    return (
      <p role="status" className="empty">
        Loading the plans…
      </p>
    );
  }
  if (plans.length === 0) {
    return (
      <p role="status" className="empty">
        No plans yet. Add the first one above.
      </p>
    );
  }
  return (
    <ul data-testid="plan-list">
      {plans.map((plan) => (
        <li key={plan.id} data-testid="plan-item">
          <span className="title">{plan.title}</span>
          <time dateTime={plan.createdAt}>{formatDate(plan.createdAt)}</time>
        </li>
      ))}
    </ul>
  );
}

/** What the server would say too; a limit in the input would cut what is pasted without a word. */
function problemOf(title: string): string | null {
  const length = [...title.trim()].length;
  if (length === 0) {
    return "Give the plan a title.";
  }
  return length > TITLE_MAX ? `The title has ${length} characters: shorten it to ${TITLE_MAX}.` : null;
}

function formatDate(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
