import type { Readable } from 'node:stream';
import type { Client } from '../sdk/client/create-client.ts';
import { type Connection, resolveConnection } from './connection/resolve-connection.ts';
import type { GlobalOptions } from './global-options.ts';
import { createOutput, type Output, type OutputStream } from './render/output.ts';

/** The world a command runs in: nothing below `main.ts` looks at the process itself. */
export interface CommandContext {
  readonly output: Output;
  /** For the log of a program that runs inside of a command. */
  readonly stderr: OutputStream;
  readonly globals: GlobalOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Working directory, to which file arguments are relative. */
  readonly directory: string;
  readonly home: string;
  /** Standard input; opened only when asked for. */
  readonly stdin: () => Readable & { readonly isTTY?: boolean };
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** @throws DroverError ARGUMENT_INVALID that says how to configure one, when no cluster is known. */
  connection(): Promise<Connection>;
  /** A client of that cluster; the same one each time. */
  client(): Promise<Client>;
}

/** What `main.ts` takes from the process. */
export interface Surroundings {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Standard input; opened only when asked for. */
  readonly stdin: () => Readable & { readonly isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly home: string;
  readonly signal: AbortSignal;
}

export function createContext(surroundings: Surroundings, globals: GlobalOptions): CommandContext & { close(): void } {
  const { environment } = surroundings;
  let connection: Promise<Connection> | undefined;
  let client: Promise<Client> | undefined;
  let opened: Client | undefined;
  const context: CommandContext = {
    ...surroundings,
    globals,
    output: createOutput(surroundings.stdout, surroundings.stderr, {
      json: globals.json,
      color: globals.color && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb',
    }),
    connection() {
      connection ??= resolveConnection(context);
      return connection;
    },
    client() {
      client ??= (async () => {
        const { createClient } = await import('../sdk/client/create-client.ts');
        const { urls, token, ca } = await context.connection();
        opened = createClient({
          urls,
          signal: surroundings.signal,
          ...(token === undefined ? {} : { token }),
          ...(ca === undefined ? {} : { ca }),
          ...(globals.timeout === undefined ? {} : { answerTimeoutMs: globals.timeout }),
        });
        return opened;
      })();
      return client;
    },
  };
  return { ...context, close: () => opened?.close() };
}
