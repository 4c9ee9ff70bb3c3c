import { Argument, Command, Option } from 'commander';
import type { z } from 'zod';
import { DroverError, type ErrorIssue } from '../shared/contracts/drover-error.ts';
import { describeIssues, toIssues } from '../shared/contracts/issues.ts';
import type { CommandDefinition, OptionDefinition } from './command.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { type GlobalOptions, globalOptions } from './global-options.ts';

/** A parsed command line: what to run, with checked values. */
export interface Invocation {
  readonly definition: CommandDefinition;
  readonly args: Record<string, unknown>;
  readonly options: Record<string, unknown>;
  readonly globals: GlobalOptions;
}

export interface ProgramOptions {
  readonly version: string;
  readonly commands: readonly CommandDefinition[];
  readonly print: (text: string) => void;
  readonly onCommand: (invocation: Invocation) => Promise<void>;
}

const groupSummaries: Readonly<Record<string, string>> = {
  controller: 'The control plane',
  agent: 'The agent of this host',
  token: 'Tokens with which hosts join',
  node: 'The hosts of the cluster',
  lock: 'What services hold and wait for',
  cron: 'Jobs by the clock, of services and service files',
  port: 'Pools of ports that are never given twice',
};

/** Makes the parser of the whole command line from the table of commands. */
export function buildProgram({ version, commands, print, onCommand }: ProgramOptions): Command {
  const program = prepare(new Command('drover'), print)
    .description('PM2 for a fleet: runs Node services on a handful of servers')
    .version(version, '-V, --version', 'Print the version')
    .usage('<command> [options]')
    .enablePositionalOptions();
  addOptions(program, Object.values(globalOptions));
  const groups = new Map<string, Command>();
  for (const definition of commands) {
    const [first = '', second] = definition.name.split(' ');
    let parent = program;
    if (second !== undefined) {
      const known = groups.get(first);
      parent = known ?? prepare(program.command(first), print).description(groupSummaries[first] ?? '');
      groups.set(first, parent);
    }
    const command = prepare(parent.command(second ?? first), print).description(
      definition.details === undefined ? definition.summary : `${definition.summary}\n\n${definition.details}`,
    );
    command.summary(definition.summary);
    if (definition.aliases !== undefined) command.aliases(definition.aliases);
    for (const argument of Object.values(definition.arguments)) {
      command.addArgument(new Argument(argument.form, argument.summary));
    }
    addOptions(command, optionsOf(definition));
    command.addHelpText('after', () => `\n${afterHelp(definition)}`);
    command.action(async () => {
      const given = { ...program.opts(), ...command.opts() };
      await onCommand({
        definition,
        args: parseAll(definition.arguments, namedArguments(definition, command.processedArgs), (name) => name),
        options: parseAll(definition.options, given, (name) => longFlag(definition.options[name]!)),
        globals: parseAll(globalsLeft(definition), given, (name) => `--${name}`) as unknown as GlobalOptions,
      });
    });
  }
  return program;
}

/** Own options first, then the global ones that it does not redefine. */
export function optionsOf(definition: CommandDefinition): OptionDefinition[] {
  return [...Object.values(definition.options), ...Object.values(globalsLeft(definition))];
}

function globalsLeft(definition: CommandDefinition): Record<string, OptionDefinition> {
  return Object.fromEntries(Object.entries(globalOptions).filter(([name]) => definition.options[name] === undefined));
}

function prepare(command: Command, print: (text: string) => void): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError()
    .helpOption('-h, --help', 'Show this help')
    .helpCommand(false)
    .configureOutput({ writeOut: print, writeErr: print, outputError: () => undefined });
}

function addOptions(command: Command, options: readonly OptionDefinition[]): void {
  for (const { flags, summary, repeatable } of options) {
    const option = new Option(flags, summary);
    if (repeatable === true) option.argParser((value, previous: string[] | undefined) => [...(previous ?? []), value]);
    command.addOption(option);
  }
}

function namedArguments(definition: CommandDefinition, values: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(Object.keys(definition.arguments).map((name, index) => [name, values[index]]));
}

function parseAll(
  fields: Readonly<Record<string, { readonly schema: z.ZodType }>>,
  given: Readonly<Record<string, unknown>>,
  describe: (name: string) => string,
): Record<string, unknown> {
  const issues: ErrorIssue[] = [];
  const parsed: Record<string, unknown> = {};
  for (const [name, { schema }] of Object.entries(fields)) {
    const result = schema.safeParse(given[name]);
    if (result.success) parsed[name] = result.data;
    else issues.push(...toIssues(result.error, describe(name)));
  }
  if (issues.length === 0) return parsed;
  throw new DroverError('ARGUMENT_INVALID', describeIssues(issues), { issues });
}

function longFlag({ flags }: OptionDefinition): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function afterHelp({ examples, exitCodes: codes }: CommandDefinition): string {
  const width = Math.max(0, ...examples.map(({ command }) => command.length));
  return [
    'Examples:',
    ...examples.map(({ command, means }) => `  ${command.padEnd(width)}  ${means}`),
    '',
    'Exit codes:',
    ...codes.map((code: ExitCode) => `  ${String(code).padEnd(4)} ${exitCodes[code]}`),
  ].join('\n');
}
