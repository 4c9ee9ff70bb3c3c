import { readFileSync } from 'node:fs';
import { type Plan, planSchema } from '../../shared/contracts/agent-session.ts';
import { writeFileDurably } from '../write-file-durably.ts';
import { comparePlans } from './compare-plans.ts';

/**
 * The plan this node holds, in memory and on disk. `confirmed` is false until a controller has said in this life of the
 * agent that the plan still stands: a plan from disk may be long outdated.
 */
export class PlanStore {
  readonly #path: string;
  #plan: Plan | null;
  #confirmed = false;
  #saved = true;
  readonly #onUnsaved: (error: Error) => void;

  /** `onUnsaved` hears of a plan that could not be written. */
  constructor(path: string, onUnsaved: (error: Error) => void) {
    this.#path = path;
    this.#onUnsaved = onUnsaved;
    this.#plan = readPlan(path);
  }

  get plan(): Plan | null {
    return this.#plan;
  }

  get confirmed(): boolean {
    return this.#confirmed;
  }

  /**
   * Takes the plan over unless it is older than the held one. It is on disk before anything acts on it, except on a full
   * disk: an agent that could not even stop what should not run any more would be worse than one that forgets.
   */
  offer(plan: Plan): 'newer' | 'same' | 'older' {
    const verdict = comparePlans(this.#plan, plan);
    if (verdict === 'older') return verdict;
    if (!this.#saved || verdict === 'newer' || JSON.stringify(plan) !== JSON.stringify(this.#plan)) {
      this.#plan = plan;
      this.#save(plan);
    }
    this.#confirmed = true;
    return verdict;
  }

  #save(plan: Plan): void {
    try {
      writeFileDurably(this.#path, JSON.stringify(plan));
      this.#saved = true;
    } catch (error) {
      this.#saved = false;
      this.#onUnsaved(error as Error);
    }
  }
}

function readPlan(path: string): Plan | null {
  try {
    return planSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Missing or damaged: the next controller sends it again, and until then nothing is started anyway.
    return null;
  }
}
