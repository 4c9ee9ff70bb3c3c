import { readdirSync, readlinkSync } from 'node:fs';
import type { ListenersAnswer, ListenersQuery } from '../../shared/contracts/agent-session.ts';
import { readListeners } from '../../shared/coordination/port-pool/read-listeners.ts';
import { readProcessEntry } from '../process/process-entry.ts';

/**
 * Answers a controller's question whether anybody listens on these ports: on any address, TCP or UDP, with the process where
 * this agent may see it. Only the network namespace of the agent is seen.
 * @throws Error when `/proc/net` cannot be read: then it is not known, which is not the same as nobody.
 */
export async function answerListeners({ ports }: ListenersQuery): Promise<ListenersAnswer> {
  const asked = new Set(ports);
  const found = (await readListeners()).filter(({ port }) => asked.has(port));
  const owners = findOwners(new Set(found.map(({ inode }) => `socket:[${inode}]`)));
  const listeners = found.map(({ port, protocol, address, inode }) => {
    const pid = owners.get(`socket:[${inode}]`) ?? null;
    const startTime = pid === null ? null : (readProcessEntry(pid)?.startTime ?? null);
    return { port, protocol, address, pid, startTime };
  });
  return { listeners };
}

/** One of the processes that hold each socket. One pass over /proc, ended as soon as all are found. */
function findOwners(links: ReadonlySet<string>): Map<string, number> {
  const owners = new Map<string, number>();
  if (links.size === 0) return owners;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const link of readLinks(pid)) {
      if (links.has(link) && !owners.has(link)) owners.set(link, Number(pid));
    }
    if (owners.size === links.size) break;
  }
  return owners;
}

function* readLinks(pid: string): Generator<string> {
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) yield readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    // It has ended, closed something in between, or belongs to another user.
  }
}
