import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { findProcessTree, type TreeQuery } from './process-tree.ts';
import { signalProcess } from './signal-process.ts';

/** How often a dying tree is looked at. A look costs about 1 ms on a host with 100 processes. */
const POLL_INTERVAL_MS = 50;

/**
 * Time for the kernel to end a process after SIGKILL. Only one stuck in an uninterruptible system call takes longer.
 */
const KILL_GRACE_MS = 5_000;

export interface KillTreeOptions extends Omit<TreeQuery, 'known'> {
  /** Sent first. Null: the tree has been asked to end in another way, so only wait. */
  readonly signal: NodeJS.Signals | null;
  /** From the first signal to SIGKILL; 0 to 2^31 - 1. */
  readonly killTimeoutMs: number;
  /** False: only the root is signalled and waited for, as PM2's `treekill: false`. Default true. */
  readonly wholeTree?: boolean;
}

export interface KillTreeResult {
  /** Whether SIGKILL was needed. */
  readonly forced: boolean;
  /** What is alive even so: stuck in the kernel, or not ours to signal. Empty in all ordinary cases. */
  readonly survivors: readonly ProcessIdentity[];
}

/**
 * Ends a worker and all that it has started: first politely, after `killTimeoutMs` with SIGKILL. Members are looked
 * for again at every poll, so children born in the meantime do not escape; each identity is checked right before each
 * signal, so a recycled pid is never signalled. Never throws.
 */
export async function killProcessTree(options: KillTreeOptions): Promise<KillTreeResult> {
  const members = new Map<number, ProcessIdentity>();
  const asked = new Set<string>();
  const killAt = performance.now() + options.killTimeoutMs;
  let forced = false;

  for (;;) {
    const living = look(options, members);
    if (living?.length === 0) return { forced, survivors: [] };
    const now = performance.now();
    if (now >= killAt + KILL_GRACE_MS) return { forced, survivors: living ?? [...members.values()] };
    forced ||= now >= killAt;
    // Children before parents, so that a parent cannot mistake the end of its child for a crash and start it anew.
    for (const member of (living ?? []).sort((a, b) => b.startTime - a.startTime || b.pid - a.pid)) {
      const signal = forced ? 'SIGKILL' : asked.has(keyOf(member)) ? null : options.signal;
      asked.add(keyOf(member));
      if (signal !== null) trySignal(member, signal);
    }
    await sleep(Math.max(1, Math.min(POLL_INTERVAL_MS, forced ? POLL_INTERVAL_MS : killAt - now)));
  }
}

/** Null when the host cannot tell at this moment: then the next look decides. */
function look(options: KillTreeOptions, members: Map<number, ProcessIdentity>): ProcessIdentity[] | null {
  try {
    if (options.wholeTree === false) return options.root !== null && isAlive(options.root) ? [options.root] : [];
    const found = findProcessTree({ ...options, known: members.values() });
    members.clear();
    for (const member of found) members.set(member.pid, member);
    return found;
  } catch {
    return null;
  }
}

function trySignal(member: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    signalProcess(member, signal);
  } catch {
    // The host could not tell whether it is still the same process; SIGKILL is sent at every look.
  }
}

function keyOf(identity: ProcessIdentity): string {
  return `${identity.pid}:${identity.startTime}`;
}
