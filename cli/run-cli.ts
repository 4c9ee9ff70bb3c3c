import { CommanderError } from 'commander';
import packageFile from '../package.json' with { type: 'json' };
import { DroverError } from '../shared/contracts/drover-error.ts';
import { buildProgram } from './build-program.ts';
import { loadCommandsFor } from './command-table.ts';
import { createContext, type Surroundings } from './context.ts';
import type { ExitCode } from './exit-codes.ts';
import { asDroverError, printError } from './render/error.ts';
import { createOutput } from './render/output.ts';

/** Runs one command line (the words after `drover`) and resolves with its exit code; never rejects. */
export async function runCli(words: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { stdout, stderr, signal } = surroundings;
  let code: ExitCode = 0;
  let output = createOutput(stdout, stderr, { json: words.includes('--json'), color: false });
  const program = buildProgram({
    version: packageFile.version,
    commands: await loadCommandsFor(words),
    print: (text) => void stdout.write(text),
    async onCommand({ definition, args, options, globals }) {
      const context = createContext(surroundings, globals);
      output = context.output;
      try {
        code = await definition.run({ args, options, context });
      } finally {
        context.close();
      }
    },
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, output);
    if (signal.aborted) return 130;
    const known = asDroverError(error);
    printError(known, output);
    return known.exitCode as ExitCode;
  }
}

function endOfParsing(error: CommanderError, output: ReturnType<typeof createOutput>): ExitCode {
  if (['commander.helpDisplayed', 'commander.version'].includes(error.code)) return 0;
  // `drover` or `drover node` alone: the help has been printed, but nothing was done.
  if (error.code === 'commander.help') return 1;
  printError(new DroverError('ARGUMENT_INVALID', error.message.replace(/^error: /, '').replaceAll('\n', ' ')), output);
  return 1;
}
