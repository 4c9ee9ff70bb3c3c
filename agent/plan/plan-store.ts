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

  constructor(path: string) {
    this.#path = path;
    this.#plan = readPlan(path);
  }

  get plan(): Plan | null {
    return this.#plan;
  }

  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Takes the plan over unless it is older than the held one. It is on disk before anything acts on it. */
  offer(plan: Plan): 'newer' | 'same' | 'older' {
    const verdict = comparePlans(this.#plan, plan);
    if (verdict === 'older') return verdict;
    if (verdict === 'newer' || JSON.stringify(plan) !== JSON.stringify(this.#plan)) {
      writeFileDurably(this.#path, JSON.stringify(plan));
      this.#plan = plan;
    }
    this.#confirmed = true;
    return verdict;
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
