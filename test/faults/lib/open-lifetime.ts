import type { Lifetime } from '../../support/lifetime.ts';

export interface OpenLifetime extends Lifetime {
  /** Ends what was started, the last first. */
  end(): Promise<void>;
}

/** A lifetime outside of a test. */
export function openLifetime(): OpenLifetime {
  const cleanUps: (() => void | Promise<void>)[] = [];
  return {
    after: (cleanUp) => void cleanUps.push(cleanUp),
    async end() {
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    },
  };
}
