import { spawnSync } from 'node:child_process';

import type { Lifetime } from './lifetime.ts';

/** A network of its own, joined to this host's by one cable that a test can cut. */
export interface NetworkNamespace {
  /** Of this host's end of the cable: what programs inside can reach. */
  readonly hostAddress: string;
  /** Of the other end: what this host can reach. */
  readonly insideAddress: string;
  /** What to put before a command so that it runs inside. */
  readonly prefix: readonly string[];
  /** Packets on the cable are dropped without a word, in both directions; programs inside still reach each other. */
  cut(): void;
  mend(): void;
}

/** Null with the reason on a machine that does not permit it. Goes with the test. */
export function createNetworkNamespace(
  t: Lifetime,
): { namespace: NetworkNamespace; reason?: never } | { namespace: null; reason: string } {
  if (process.getuid?.() !== 0) return { namespace: null, reason: 'only root may make network namespaces' };
  // The process id keeps names and addresses of runs at the same time apart; interface names have 15 characters at most.
  const id = process.pid % 16_384;
  const name = `drover-${id}`;
  const [outer, inner] = [`dr${id}a`, `dr${id}b`] as const;
  const subnet = `10.${200 + (id >> 8)}.${id & 255}`;
  const inside = ['ip', 'netns', 'exec', name];
  const steps = [
    ['ip', 'netns', 'add', name],
    ['ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', inner],
    ['ip', 'link', 'set', inner, 'netns', name],
    ['ip', 'addr', 'add', `${subnet}.1/30`, 'dev', outer],
    ['ip', 'link', 'set', outer, 'up'],
    [...inside, 'ip', 'addr', 'add', `${subnet}.2/30`, 'dev', inner],
    [...inside, 'ip', 'link', 'set', inner, 'up'],
    [...inside, 'ip', 'link', 'set', 'lo', 'up'],
    [...inside, 'nft', 'add', 'table', 'inet', 'cut'],
    [...inside, 'nft', 'add', 'chain', 'inet', 'cut', 'in', '{ type filter hook input priority 0; }'],
    [...inside, 'nft', 'add', 'chain', 'inet', 'cut', 'out', '{ type filter hook output priority 0; }'],
  ];
  t.after(() => {
    run(['ip', 'link', 'del', outer]);
    run(['ip', 'netns', 'del', name]);
  });
  for (const step of steps) {
    const problem = run(step);
    if (problem !== null) return { namespace: null, reason: `${step.join(' ')}: ${problem}` };
  }
  const must = (command: string[]) => {
    const problem = run(command);
    if (problem !== null) throw new Error(`${command.join(' ')}: ${problem}`);
  };
  return {
    namespace: {
      hostAddress: `${subnet}.1`,
      insideAddress: `${subnet}.2`,
      prefix: inside,
      cut() {
        must([...inside, 'nft', 'add', 'rule', 'inet', 'cut', 'in', 'iifname', inner, 'drop']);
        must([...inside, 'nft', 'add', 'rule', 'inet', 'cut', 'out', 'oifname', inner, 'drop']);
      },
      mend() {
        must([...inside, 'nft', 'flush', 'chain', 'inet', 'cut', 'in']);
        must([...inside, 'nft', 'flush', 'chain', 'inet', 'cut', 'out']);
      },
    },
  };
}

/** Null when it went well. */
function run([command, ...args]: readonly string[]): string | null {
  const result = spawnSync(command!, args, { encoding: 'utf8' });
  if (result.error) return result.error.message;
  return result.status === 0 ? null : result.stderr.trim();
}
