import { optionsOf } from './build-program.ts';
import type { CommandDefinition, OptionDefinition } from './command.ts';
import { loadCommands } from './command-table.ts';
import { exitCodes } from './exit-codes.ts';
import { globalOptions } from './global-options.ts';

const commands = await loadCommands();

/** The reference page of the command line, made from the table of commands. */
export function renderCliReference(): string {
  return [
    '# Command line',
    '',
    'Generated from the table of commands in `cli/command-table.ts`. `drover <command> --help` prints the same.',
    '',
    '## Options of every command',
    '',
    ...optionTable(Object.values(globalOptions)),
    '',
    '## Exit codes',
    '',
    '| code | meaning |',
    '| ---: | --- |',
    ...Object.entries(exitCodes).map(([code, meaning]) => `| ${code} | ${cell(meaning)} |`),
    '',
    ...commands.flatMap(renderCommand),
  ].join('\n');
}

function renderCommand(definition: CommandDefinition): string[] {
  const { name, aliases = [], summary, details, arguments: args, examples, exitCodes: codes } = definition;
  const own = optionsOf(definition).filter(
    (option) => !Object.values<OptionDefinition>(globalOptions).includes(option),
  );
  const usage = ['drover', name, ...Object.values(args).map(({ form }) => form), own.length > 0 ? '[options]' : ''];
  return [
    `## drover ${name}`,
    '',
    `${summary}.${aliases.length === 0 ? '' : ` Also: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`}`,
    '',
    ...(details === undefined ? [] : [details, '']),
    '```',
    usage.filter((word) => word !== '').join(' '),
    '```',
    '',
    ...(Object.keys(args).length === 0
      ? []
      : [
          '| argument | |',
          '| --- | --- |',
          ...Object.values(args).map((arg) => `| \`${arg.form}\` | ${cell(arg.summary)} |`),
          '',
        ]),
    ...(own.length === 0 ? [] : [...optionTable(own), '']),
    ...examples.map(({ command, means }) => `- \`${command}\`: ${means}`),
    '',
    `Exit codes: ${codes.join(', ')}.`,
    '',
  ];
}

function optionTable(options: readonly OptionDefinition[]): string[] {
  return [
    '| option | |',
    '| --- | --- |',
    ...options.map(({ flags, summary }) => `| \`${flags}\` | ${cell(summary)} |`),
  ];
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
