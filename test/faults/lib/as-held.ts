import type { LossReason } from '../../../shared/coordination/lease/hold.ts';
import type { Share } from './history.ts';
import type { Held } from './mutex.ts';

/** A lock as the product gives it, of one Redis or of several. */
interface HeldLock {
  readonly token: number;
  readonly signal: AbortSignal;
  readonly lossReason: LossReason | undefined;
  assert(): void;
  release(): Promise<void>;
}

/** For one lock; longer than a ttl of any scenario, so that the death of a holder is waited for. */
const waitMs = 5000;

/** Waits for a lock. That it was not to be had in time says only that others were first. */
export async function asHeld(
  lock: (waiting: { readonly waitMs: number }) => Promise<HeldLock>,
  share?: Share,
): Promise<Held | 'nothing' | 'unknown'> {
  try {
    const held = await lock({ waitMs });
    return {
      ...{ epoch: held.token, signal: held.signal },
      ...(share === undefined ? {} : { share }),
      get lossReason() {
        return held.lossReason;
      },
      assertHeld: () => held.assert(),
      release: () => held.release(),
    };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'LOCK_TIMEOUT') return 'nothing';
    if (code === 'STORE_UNREACHABLE') return 'unknown';
    throw error;
  }
}
