import type { z } from 'zod';
import type { CommandContext } from './context.ts';
import type { ExitCode } from './exit-codes.ts';

/** One positional argument. `form` is `<required>`, `[optional]` or `<several...>`. */
export interface ArgumentDefinition {
  readonly form: string;
  readonly summary: string;
  readonly schema: z.ZodType;
}

/** One option. `flags` is written as in the help: `-f, --follow` or `--lines <n>`. */
export interface OptionDefinition {
  readonly flags: string;
  readonly summary: string;
  readonly schema: z.ZodType;
  /** May be given several times; its schema gets an array. */
  readonly repeatable?: boolean;
}

export interface Example {
  readonly command: string;
  readonly means: string;
}

type Parsed<T extends Readonly<Record<string, { schema: z.ZodType }>>> = {
  readonly [K in keyof T]: z.output<T[K]['schema']>;
};

/** A verb of the command line: its parser, its help and its page in the reference are all made from this. */
export interface CommandDefinition<
  A extends Readonly<Record<string, ArgumentDefinition>> = Readonly<Record<string, ArgumentDefinition>>,
  O extends Readonly<Record<string, OptionDefinition>> = Readonly<Record<string, OptionDefinition>>,
> {
  /** Words after `drover`: `deploy`, `token create`. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** What the summary leaves out; shown in its help and its page. */
  readonly details?: string;
  /** In the order in which they are written. */
  readonly arguments: A;
  /** Keys are the long flags in camelCase. */
  readonly options: O;
  readonly examples: readonly Example[];
  readonly exitCodes: readonly ExitCode[];
  run(input: {
    readonly args: Parsed<A>;
    readonly options: Parsed<O>;
    readonly context: CommandContext;
  }): Promise<ExitCode>;
}

/** Keeps the types of arguments and options together while a command is written. */
export function defineCommand<
  const A extends Readonly<Record<string, ArgumentDefinition>>,
  const O extends Readonly<Record<string, OptionDefinition>>,
>(definition: CommandDefinition<A, O>): CommandDefinition {
  return definition as unknown as CommandDefinition;
}
