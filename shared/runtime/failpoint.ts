type FailpointAction = { readonly kind: 'exit' } | { readonly kind: 'throw' } | { readonly kind: 'pause'; ms: number };

let armed: ReadonlyMap<string, FailpointAction> | undefined;

/**
 * Arms failpoints from a list such as `deploy.beforeSwitch=exit,lease.renew=pause:500`; `main.ts` passes
 * DROVER_FAILPOINTS. An empty or missing list disarms all. Throws on anything it cannot read, before arming any.
 */
export function armFailpoints(list: string | undefined): void {
  const entries = (list ?? '').split(',').map((entry) => entry.trim());
  const actions = new Map(entries.filter((entry) => entry !== '').map(parseEntry));
  armed = actions.size === 0 ? undefined : actions;
}

/**
 * Marks a place where a test may break this process. `exit` is a crash (SIGKILL, no clean-up), `throw` a failure of the
 * step, `pause:ms` freezes the whole process as a SIGSTOP would. Costs one comparison when nothing is armed.
 */
export function failpoint(name: string): void {
  if (armed !== undefined) trigger(name, armed.get(name));
}

function trigger(name: string, action: FailpointAction | undefined): void {
  switch (action?.kind) {
    case undefined:
      return;
    case 'exit':
      process.kill(process.pid, 'SIGKILL');
      return;
    case 'throw':
      throw new Error(`Failpoint ${name}`);
    case 'pause':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, action.ms);
  }
}

function parseEntry(entry: string): [string, FailpointAction] {
  const match = /^([^=\s]+)=(?:(exit|throw)|pause:(\d+))$/.exec(entry);
  if (match === null) {
    throw new Error(`Failpoint "${entry}" is not understood; write name=exit, name=throw or name=pause:<ms>`);
  }
  const [, name, kind, ms] = match;
  if (kind === 'exit' || kind === 'throw') return [name!, { kind }];
  return [name!, { kind: 'pause', ms: Number(ms) }];
}
