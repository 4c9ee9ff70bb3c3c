import type { OptionDefinition } from './command.ts';
import { duration, flag, text } from './option-types.ts';

/** Options that every command takes, before or after its name. A command's own option of the same name goes first. */
export const globalOptions = {
  json: { flags: '--json', summary: 'Print JSON: one object, or one object per line for streams', schema: flag },
  url: {
    flags: '--url <urls>',
    summary: 'Controllers to ask, separated by commas (DROVER_URL)',
    schema: text,
  },
  tokenFile: {
    flags: '--token-file <file>',
    summary:
      'File with the bearer token, "-" for standard input (DROVER_TOKEN_FILE; DROVER_TOKEN holds the token itself)',
    schema: text,
  },
  ca: { flags: '--ca <file>', summary: 'File with the certificate authority of the cluster (DROVER_CA)', schema: text },
  config: {
    flags: '--config <file>',
    summary: 'Where clusters are remembered (DROVER_CONFIG; default ~/.drover/config.json)',
    schema: text,
  },
  color: { flags: '--no-color', summary: 'Plain text (NO_COLOR)', schema: flag.default(true) },
  timeout: {
    flags: '--timeout <duration>',
    summary: 'How long one request may wait for its answer (default 15s)',
    schema: duration.optional(),
  },
} as const satisfies Record<string, OptionDefinition>;

export interface GlobalOptions {
  readonly json: boolean;
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly ca?: string | undefined;
  readonly config?: string | undefined;
  readonly color: boolean;
  readonly timeout?: number | undefined;
}
