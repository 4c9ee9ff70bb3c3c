import type { Check as Claim } from '../story/scene.ts';
import { type Ask, type AskTally, createAsk } from './ask.ts';
import type { Account } from './open-account.ts';
import { type Platform, seedPorts, serviceNames } from './platform.ts';
import { runShell } from './shell.ts';

/** How much of everything a run does. */
export interface Scale {
  /** Devices that are created at once. */
  readonly devices: number;
  /** Callbacks for one order at once. */
  readonly callbacks: number;
}

export const fullScale: Scale = { devices: 200, callbacks: 100 };

/** Says whether a promise was kept, and what was measured of it. */
export type MakeClaim = (promise: string, kept: boolean, measured: string) => void;

/** What a check has to do its work, and to say what it saw. */
export interface VerificationContext {
  readonly platform: Platform;
  readonly scale: Scale;
  readonly ask: Ask;
  /**
   * Runs command lines in bash as they are written, with the ports of this platform; answers what they print. Where users
   * have to log in, curl asks in the name of the account.
   */
  shell(commands: string, account?: Account): Promise<string>;
  /** Command lines as they are here, for what is not run to its end. Noted as commands of the check. */
  adapt(commands: string): string;
  readonly claim: MakeClaim;
  /** Something that was seen: instances, hosts, ports, log lines. */
  evidence(line: string): void;
}

/** One entry of the verification list. */
export interface Verification {
  readonly name: string;
  readonly title: string;
  run(context: VerificationContext): Promise<void>;
}

export interface VerificationResult {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  readonly commands: readonly string[];
  readonly evidence: readonly string[];
  readonly claims: readonly Claim[];
  readonly requests: number;
  readonly failures: readonly string[];
}

/** Runs one check. One that throws is a broken promise; nothing is thrown here. */
export async function verify(
  { name, title, run }: Verification,
  { platform, scale = fullScale }: { readonly platform: Platform; readonly scale?: Scale },
): Promise<VerificationResult> {
  const commands: string[] = [];
  const evidence: string[] = [];
  const claims: Claim[] = [];
  const tally: AskTally = { requests: 0, failures: [] };
  const startedMs = performance.now();
  const adapt = (text: string) => {
    const adapted = withPorts(text, platform);
    commands.push(adapted);
    return adapted;
  };
  try {
    await run({
      ...{ platform, scale, ask: createAsk(tally), adapt },
      async shell(text, account) {
        const { token, commands: own } = inNameOf(text, account);
        const { code, stdout, stderr } = await runShell(adapt(own), { ...platform.env, ...token }, platform.drover);
        if (code !== 0) throw new Error(`exit code ${code} of: ${commands.at(-1)}\n${stderr.trim().slice(-500)}`);
        return stdout.trim();
      },
      claim: (promise, kept, measured) => claims.push({ promise, kept, measured }),
      evidence: (line) => evidence.push(line),
    });
    if (claims.length === 0) throw new Error('nothing was looked at');
  } catch (error) {
    claims.push({ promise: 'the check comes to its end', kept: false, measured: (error as Error).message });
  }
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return { name, title, seconds, commands, evidence, claims, ...tally };
}

/** The addresses of the list, replaced by those of this platform. */
function withPorts(text: string, platform: Platform): string {
  return serviceNames.reduce(
    (changed, service) => changed.replaceAll(`localhost:${seedPorts[service]}`, new URL(platform.url(service)).host),
    text,
  );
}

/** The commands of a user who has logged in. His token is in the environment, and not in what is shown. */
function inNameOf(commands: string, account: Account | undefined) {
  if (account?.token === undefined) return { commands, token: {} };
  const { name, userId, token } = account;
  return {
    token: { TOKEN: token },
    commands: commands
      .replaceAll('curl ', `curl -H "Authorization: Bearer $TOKEN" -H "X-User-Id: ${userId}" `)
      .replaceAll(`"${name}"`, `"${userId}"`),
  };
}
