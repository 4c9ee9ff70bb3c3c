import { loadCommands } from '../../cli/command-table.ts';
import { exitCodes } from '../../cli/exit-codes.ts';
import { errorRegistry } from '../../shared/contracts/error-code.ts';
import { code, renderTable } from './markdown.ts';

const commands = await loadCommands();

/** Which codes a script may see, from which commands, and for which errors. */
export function renderExitCodes(): string[] {
  return [
    '# Exit codes',
    '',
    'Of every `drover` command, for scripts and pipelines.',
    '',
    ...renderTable(
      ['code', 'meaning', 'errors', 'commands'],
      Object.entries(exitCodes).map(([number, meaning]) => [
        number,
        meaning,
        Object.entries(errorRegistry)
          .filter(([, { exit }]) => String(exit) === number)
          .map(([name]) => `[${name}](errors.md#${name})`)
          .join(', '),
        commandsEndingWith(Number(number)),
      ]),
    ),
    '',
  ];
}

function commandsEndingWith(number: number): string {
  const names = commands
    .filter(({ exitCodes: codes }) => codes.some((one) => one === number))
    .map(({ name }) => code(name));
  return names.length === commands.length ? 'all' : names.join(', ');
}
