/** Something that happened between two instants, of which the model says what it does to the state. */
export interface Event {
  readonly invokeAt: number;
  /** Infinity: not known whether it happened at all. */
  readonly completeAt: number;
}

export interface Model<E extends Event, S> {
  readonly initial: S;
  /** The state after `event`, or null when it cannot happen in `state`. */
  step(state: S, event: E): S | null;
  /** Equal exactly for equal states. */
  keyOf(state: S): string;
}

export type Linearizability =
  | { readonly verdict: 'linearizable' }
  /** `stuckAt` is the furthest that any order came: the first event that none of them can place. */
  | { readonly verdict: 'violated'; readonly placed: number; readonly stuckAt: string }
  | { readonly verdict: 'undecided'; readonly placed: number };

/** Beyond it a history is so ambiguous that it should be cut; a lock history of 2,000 events takes a few thousand steps. */
const maxSteps = 400_000;

/**
 * Wing and Gong's search with Lowe's memory: is there one order of the events, each at an instant between its invocation
 * and its completion, that the model allows? Events without an answer may be placed anywhere after their invocation, or left out.
 */
export function checkLinearizable<E extends Event, S>(events: readonly E[], model: Model<E, S>): Linearizability {
  const closed = events.filter((event) => event.completeAt !== Number.POSITIVE_INFINITY);
  const open = events.filter((event) => event.completeAt === Number.POSITIVE_INFINITY);
  closed.sort((a, b) => a.invokeAt - b.invokeAt);
  const seen = new Set<string>();
  let furthest = 0;
  let stuckAt = 'the start';
  let steps = 0;

  interface Node {
    readonly state: S;
    /** All closed events below it are placed. */
    readonly base: number;
    /** Placed closed events from `base` on, in order. */
    readonly ahead: readonly number[];
    readonly placed: number;
    /** Open events that were placed, in order. */
    readonly taken: readonly number[];
  }
  const stack: Node[] = [{ state: model.initial, base: 0, ahead: [], placed: 0, taken: [] }];
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (node.placed === closed.length) return { verdict: 'linearizable' };
    if (++steps > maxSteps) return { verdict: 'undecided', placed: furthest };
    const key = `${model.keyOf(node.state)}|${node.base}|${node.ahead.join(',')}|${node.taken.join(',')}`;
    if (seen.has(key)) continue;
    seen.add(key);

    const candidates: number[] = [];
    let firstCompletion = Number.POSITIVE_INFINITY;
    for (let index = node.base; index < closed.length; index++) {
      if (closed[index]!.invokeAt > firstCompletion) break;
      if (node.ahead.includes(index)) continue;
      candidates.push(index);
      firstCompletion = Math.min(firstCompletion, closed[index]!.completeAt);
    }
    if (node.placed >= furthest) {
      furthest = node.placed;
      stuckAt = JSON.stringify(closed[candidates[0]!]);
    }
    // What is pushed last is tried first: answered events by their completion, and unanswered ones only when those fail.
    const possible = candidates.filter((index) => closed[index]!.invokeAt <= firstCompletion);
    possible.sort((a, b) => closed[b]!.completeAt - closed[a]!.completeAt);
    open.forEach((event, index) => {
      if (event.invokeAt > firstCompletion || node.taken.includes(index)) return;
      const state = model.step(node.state, event);
      if (state === null || model.keyOf(state) === model.keyOf(node.state)) return;
      stack.push({ ...node, state, taken: [...node.taken, index].sort((a, b) => a - b) });
    });
    for (const index of possible) {
      const state = model.step(node.state, closed[index]!);
      if (state === null) continue;
      stack.push({ ...node, ...advance(node.base, node.ahead, index), state, placed: node.placed + 1 });
    }
  }
  return { verdict: 'violated', placed: furthest, stuckAt };
}

function advance(base: number, ahead: readonly number[], placed: number): { base: number; ahead: readonly number[] } {
  const rest = [...ahead, placed].sort((a, b) => a - b);
  let next = base;
  while (rest[0] === next) {
    rest.shift();
    next++;
  }
  return { base: next, ahead: rest };
}
